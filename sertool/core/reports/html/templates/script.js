"use strict";
// Texts of a corpus are only ever set as textContent: nothing of what they hold can become a part of the page.
(() => {
  const PAGE = 50;
  const PRINTED = 20; // as in style.css
  const pool = JSON.parse(document.getElementById("pool").textContent);

  function make(tag, text, className) {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  }

  // A name from outside keeps its direction to itself: one from right to left does not reorder its neighbours.
  function named(tag, name) {
    const node = make(tag);
    node.append(make("bdi", name));
    return node;
  }

  const percent = (thousandths) => (thousandths === null ? "–" : (thousandths / 10).toFixed(1));

  function player(place, id) {
    const audio = make("audio");
    audio.controls = true;
    audio.preload = "none";
    audio.src = pool.recordings[place];
    audio.ariaLabel = `recording of ${id}`;
    return audio;
  }

  // The utterances of a set with their classes; a row of the data is as in browser.py.
  class Browser {
    sorts = {
      confidence: (row) => row[4],
      members: (row) => row[5],
      words: (row) => pool.utterances[row[0]][5],
      seconds: (row) => pool.utterances[row[0]][4],
    };
    order = ", wrong predictions first, the most confident at the top";

    constructor(root) {
      const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
      Object.assign(this, { root, data, shown: data.rows, page: 0, sort: null, falling: true });
    }

    start() {
      const { root } = this;
      this.form = root.querySelector("form");
      this.body = root.querySelector("tbody");
      this.heads = [...root.querySelectorAll("th[data-sort]")];
      this.fillForm();
      this.makeButtons();
      this.update();
      this.form.hidden = false;
      root.querySelector(".pages").hidden = false;
      return this;
    }

    fill(name, places, texts) {
      for (const place of [...new Set(places)].filter((place) => place >= 0).sort((a, b) => texts[a] < texts[b] ? -1 : 1)) {
        const option = make("option", texts[place] || "none");
        option.value = place;
        option.dir = "auto";
        this.form.elements[name].append(option);
      }
    }

    fillChoices() {
      const { labels, rows } = this.data;
      this.fill("target", rows.map((row) => row[1]), labels);
      this.fill("decision", rows.map((row) => row[2]), labels);
    }

    fillForm() {
      this.fill("speaker", this.data.rows.map((row) => pool.utterances[row[0]][2]), pool.speakers);
      this.fillChoices();
      this.form.addEventListener("input", () => this.update());
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.querySelector("button").addEventListener("click", () => {
        this.form.reset();
        this.update();
      });
    }

    makeButtons() {
      for (const head of this.heads) {
        const button = make("button", head.textContent);
        button.type = "button";
        button.addEventListener("click", () => {
          this.falling = this.sort === head.dataset.sort ? !this.falling : true;
          this.sort = head.dataset.sort;
          this.update();
        });
        head.replaceChildren(button);
      }
      for (const button of this.root.querySelectorAll("[data-page]")) {
        button.addEventListener("click", () => {
          this.page += Number(button.dataset.page);
          this.show();
        });
      }
    }

    update() {
      const wanted = Object.fromEntries(new FormData(this.form));
      const text = wanted.text.trim().toLowerCase();
      const is = (name, value) => !wanted[name] || Number(wanted[name]) === value;
      this.shown = this.data.rows.filter((row) => {
        const [id, said, speaker] = pool.utterances[row[0]];
        return is("speaker", speaker) && this.keeps(row, is, wanted)
          && (!text || said.toLowerCase().includes(text) || id.toLowerCase().includes(text));
      });
      if (this.sort || this.chosenOrder(wanted)) {
        const value = this.sorts[this.sort] ?? this.chosenOrder(wanted);
        const sign = this.falling || !this.sort ? -1 : 1;
        const known = (row) => value(row) !== null;
        this.shown.sort((a, b) => known(b) - known(a) || sign * (value(a) - value(b)));
      }
      for (const head of this.heads) {
        if (head.dataset.sort === this.sort) head.ariaSort = this.falling ? "descending" : "ascending";
        else head.removeAttribute("aria-sort");
        const arrow = head.dataset.sort !== this.sort ? "" : this.falling ? " ↓" : " ↑";
        head.firstChild.textContent = head.firstChild.textContent.replace(/ [↓↑]$/, "") + arrow;
      }
      this.page = 0;
      this.show();
    }

    keeps(row, is) {
      return is("target", row[1]) && is("decision", row[2]) && is("right", row[3]) && is("recording", Number(row[6] >= 0));
    }

    // The order of the rows where no column is sorted by; null for that of the data.
    chosenOrder() {
      return null;
    }

    // Shows the utterances of one label and prediction, by name.
    choose(target, decision) {
      const { labels } = this.data;
      this.form.reset();
      this.form.elements.target.value = labels.indexOf(target);
      this.form.elements.decision.value = labels.indexOf(decision);
      this.update();
    }

    show() {
      const first = this.page * PAGE;
      const rows = this.shown.slice(first, first + PAGE);
      this.body.replaceChildren(...rows.map((row) => this.row(row)));
      const count = this.shown.length.toLocaleString("en");
      const order = this.sort ? "" : this.order;
      this.root.querySelector(".status").textContent = rows.length
        ? `${first + 1} to ${first + rows.length} of ${count}${order}.` : "No utterance matches.";
      const pages = Math.max(1, Math.ceil(this.shown.length / PAGE));
      const [earlier, later] = this.root.querySelectorAll("[data-page]");
      earlier.disabled = this.page === 0;
      later.disabled = this.page >= pages - 1;
      this.root.querySelector(".printed").textContent = rows.length > PRINTED
        ? `${first + 1} to ${first + PRINTED} of ${count} are printed; the HTML file lists all.` : "";
      this.root.querySelector(".pages span").textContent = `page ${this.page + 1} of ${pages}`;
    }

    // The first two cells: what was said, and by whom.
    utterance(place, recording) {
      const [id, text, speaker, dialogue] = pool.utterances[place];
      const head = make("th");
      head.scope = "row";
      const said = make("span", text || "(no text)", "said");
      said.dir = "auto";
      head.append(said, named("small", id));
      if (recording >= 0) head.append(player(recording, id));
      const who = named("td", speaker < 0 ? "–" : pool.speakers[speaker]);
      if (dialogue >= 0) who.append(named("small", pool.dialogues[dialogue]));
      return [head, who];
    }

    row([place, target, decision, right, confidence, members, recording, ...probabilities]) {
      const [seconds, words] = pool.utterances[place].slice(4);
      const { labels, classes } = this.data;
      const row = make("tr", undefined, right ? "" : "wrong");
      const decided = make("td", right ? "✓ " : "✗ ");
      const most = probabilities.map((value, at) => [value, at]).sort((a, b) => b[0] - a[0]).slice(0, 4);
      const shares = make("small");
      most.forEach(([value, at], place) => shares.append(place ? " · " : "", make("bdi", classes[at]), ` ${percent(value)}`));
      decided.append(make("bdi", labels[decision] || "none"), shares);
      row.append(...this.utterance(place, recording), named("td", labels[target] || "none"), decided);
      for (const value of [percent(confidence), this.data.members ? `${members} of ${this.data.members}` : "–", words, seconds === null ? "–" : seconds.toFixed(1)]) {
        row.append(make("td", value, "n"));
      }
      return row;
    }
  }

  // The utterances of a set with their scores; a row of the data is as in score_browser.py.
  class ScoreBrowser extends Browser {
    order = ", the largest residual first";
    sorts = {
      residual: (row) => this.residual(row),
      spread: (row) => this.spread(row),
      words: (row) => pool.utterances[row[0]][5],
      seconds: (row) => pool.utterances[row[0]][4],
    };

    fillChoices() {
      const { scores } = this.data;
      this.fill("score", scores.map((_, place) => place), scores);
    }

    // The places of the scores that the reader looks at.
    places() {
      const chosen = this.form.elements.score.value;
      return chosen === "" ? this.data.scores.map((_, place) => place) : [Number(chosen)];
    }

    // Predicted minus true score, as a share of the range; null where the true one is missing.
    apart(row, place) {
      const { scores, widths } = this.data;
      const [known, said] = [row[2 + place], row[2 + scores.length + place]];
      return known === null ? null : (said - known) / widths[place];
    }

    // The residual that is furthest from 0, with its sign.
    furthest(row) {
      const known = this.places().map((place) => this.apart(row, place)).filter((one) => one !== null);
      return known.length ? known.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)) : null;
    }

    residual(row) {
      const found = this.furthest(row);
      return found === null ? null : Math.abs(found);
    }

    spread(row) {
      const known = row.slice(2 + 2 * this.data.scores.length);
      return known.length ? Math.max(...this.places().map((place) => known[place])) : null;
    }

    keeps(row, is, wanted) {
      return is("recording", Number(row[1] >= 0)) && (!wanted.side || Number(wanted.side) === Math.sign(this.furthest(row) ?? 0));
    }

    chosenOrder() {
      return (row) => this.residual(row);
    }

    row(row) {
      const { scores } = this.data;
      const [seconds, words] = pool.utterances[row[0]].slice(4);
      const minus = (text) => text.replace("-", "−");
      const told = make("td");
      scores.forEach((name, place) => {
        const [known, said] = [row[2 + place], row[2 + scores.length + place]];
        const one = make("div");
        one.append(make("bdi", name), minus(` ${known === null ? "–" : known.toFixed(2)}`), minus(` → ${said.toFixed(2)}`));
        const apart = Number((said - known).toFixed(2)) || 0; // no sign where it is shown as zero
        if (known !== null) one.append(" ", make("span", minus(`${apart > 0 ? "+" : ""}${apart.toFixed(2)}`), "apart"));
        told.append(one);
      });
      const [residual, spread] = [this.residual(row), this.spread(row)];
      const cells = make("tr");
      cells.append(...this.utterance(row[0], row[1]), told);
      for (const value of [
        residual === null ? "–" : (100 * residual).toFixed(1), spread === null ? "–" : spread.toFixed(2), words, seconds === null ? "–" : seconds.toFixed(1),
      ]) {
        cells.append(make("td", value, "n"));
      }
      return cells;
    }
  }

  const browsers = new Map();
  for (const root of document.querySelectorAll(".browser")) {
    browsers.set(`#${root.dataset.list}`, new (root.dataset.kind === "scores" ? ScoreBrowser : Browser)(root).start());
  }

  // A cell of a confusion matrix is a link to the list of utterances, which then shows those of the cell.
  for (const link of document.querySelectorAll("svg a.mark")) {
    link.addEventListener("click", () => {
      browsers.get(link.getAttribute("href")).choose(link.dataset.label, link.dataset.decision);
    });
  }

  // Values of figures on hover and, by the arrow keys, on focus: one stop of the Tab key for each figure.
  const tip = make("div", "", "tip");
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const hideTip = () => {
    tip.hidden = true;
    document.querySelector(".mark.current")?.classList.remove("current");
  };
  const showTip = (mark) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const [place, own] = [mark.getBoundingClientRect(), tip.getBoundingClientRect()];
    const left = Math.min(Math.max(4, place.left + place.width / 2 - own.width / 2), innerWidth - own.width - 4);
    tip.style.left = `${left}px`;
    tip.style.top = `${place.top - own.height - 6 < 0 ? place.bottom + 6 : place.top - own.height - 6}px`;
  };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  for (const figure of document.querySelectorAll("svg:has(.mark)")) {
    const marks = [...figure.querySelectorAll(".mark")];
    let current = 0;
    const show = () => {
      hideTip();
      marks[current].classList.add("current");
      showTip(marks[current]);
    };
    for (const mark of marks) {
      mark.dataset.tip = mark.querySelector("title").textContent;
      mark.querySelector("title").remove(); // the browser would show it a second time
      if (mark.tagName === "a") {
        mark.setAttribute("tabindex", "-1");
        mark.setAttribute("aria-label", mark.dataset.tip);
      }
      mark.addEventListener("pointerenter", () => showTip(mark));
      mark.addEventListener("pointerleave", hideTip);
    }
    figure.setAttribute("tabindex", "0");
    figure.addEventListener("focus", () => { if (figure.matches(":focus-visible")) show(); });
    figure.addEventListener("blur", hideTip);
    figure.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hideTip();
      if (event.key === "Enter" && marks[current].tagName === "a") marks[current].dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
      if (!(event.key in steps)) return;
      event.preventDefault();
      current = Math.min(Math.max(0, current + steps[event.key]), marks.length - 1);
      show();
    });
  }
  addEventListener("scroll", hideTip, { passive: true });

  // Dark or light by button; at first it is what the reader's system says.
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  name();
  theme.hidden = false;

  // Where the reader is, in the contents.
  const links = new Map();
  for (const link of document.querySelectorAll(".contents a")) {
    const target = document.getElementById(link.hash.slice(1));
    if (target) links.set(target.matches("section") ? target.querySelector("h2") : target, link);
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(target).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -75% 0px" });
  for (const target of links.keys()) seen.observe(target);

  // A link into what is folded unfolds it.
  const unfold = () => {
    for (let node = document.getElementById(location.hash.slice(1)); node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
