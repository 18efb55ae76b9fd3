"use strict";
(function () {
  const state = document.getElementById("state");
  const main = document.getElementById("main");
  const all = document.getElementById("all");

  // All figures or the important ones, on a narrow screen.
  const keep = "evenkeel-all";
  try { all.checked = sessionStorage.getItem(keep) === "1"; } catch (e) { /* storage may be off */ }
  const showAll = function () {
    document.body.classList.toggle("all", all.checked);
    try { sessionStorage.setItem(keep, all.checked ? "1" : "0"); } catch (e) { /* as above */ }
  };
  all.addEventListener("change", showAll);
  showAll();

  // A box that ticks every server of a proxy.
  document.body.classList.add("scripted");
  main.addEventListener("change", function (e) {
    if (!e.target.closest(".every")) return;
    e.target.closest("section").querySelectorAll("input[name=s]").forEach(function (box) { box.checked = e.target.checked; });
  });

  const say = function (how, text) {
    state.className = "state " + how;
    if (state.textContent !== text) state.textContent = text;
  };
  const from = document.body.dataset.live;
  if (!from) {
    say("paused", "not live");
    return;
  }
  const pause = 1000 * Number(document.body.dataset.seconds);
  let good = new Date();

  const copyAttributes = function (to, of) {
    for (const name of ["class", "title"]) {
      const value = of.getAttribute(name);
      if (value === null) to.removeAttribute(name);
      else if (to.getAttribute(name) !== value) to.setAttribute(name, value);
    }
  };
  const stateOf = function (cell) {
    const word = cell.querySelector("b");
    return word ? word.textContent : "";
  };
  // Cells are changed one by one, so that boxes stay ticked and text stays selected. What flashes is a change of state.
  const update = function (to, of) {
    copyAttributes(to, of);
    if (to.querySelector("input") || to.innerHTML === of.innerHTML) return;
    const before = stateOf(to);
    to.innerHTML = of.innerHTML;
    if (before === stateOf(to)) return;
    to.classList.remove("changed");
    void to.offsetWidth;
    to.classList.add("changed");
  };
  const same = function (a, b) {
    const ids = function (root) { return Array.from(root.querySelectorAll("section, tr[id]"), function (e) { return e.id; }).join("\n"); };
    return ids(a) === ids(b);
  };
  const merge = function (fresh) {
    if (!same(main, fresh)) {
      const ticked = new Set(Array.from(main.querySelectorAll("input:checked"), function (e) { return e.closest("tr").id; }));
      main.replaceChildren.apply(main, Array.from(fresh.childNodes));
      main.querySelectorAll("tr[id] input").forEach(function (e) { e.checked = ticked.has(e.closest("tr").id); });
      return;
    }
    const down = main.querySelector("#down");
    const freshDown = fresh.querySelector("#down");
    if (down.innerHTML !== freshDown.innerHTML) down.innerHTML = freshDown.innerHTML;
    const figures = main.querySelectorAll(".facts > div");
    const freshFigures = fresh.querySelectorAll(".facts > div");
    if (figures.length === freshFigures.length) {
      figures.forEach(function (f, i) {
        copyAttributes(f, freshFigures[i]);
        if (f.innerHTML !== freshFigures[i].innerHTML) f.innerHTML = freshFigures[i].innerHTML;
      });
    } else {
      main.querySelector(".facts").replaceWith(fresh.querySelector(".facts"));
    }
    const rows = fresh.querySelectorAll("tr[id]");
    main.querySelectorAll("tr[id]").forEach(function (row, i) {
      copyAttributes(row, rows[i]);
      Array.from(row.children).forEach(function (cell, n) { update(cell, rows[i].children[n]); });
    });
  };

  const ask = async function () {
    if (!document.hidden) {
      try {
        const stop = new AbortController();
        const limit = setTimeout(function () { stop.abort(); }, Math.max(pause, 5000));
        const answer = await fetch(from, { credentials: "same-origin", cache: "no-store", signal: stop.signal });
        const text = await answer.text();
        clearTimeout(limit);
        if (!answer.ok) throw new Error(String(answer.status));
        const box = new DOMParser().parseFromString("<main>" + text + "</main>", "text/html").querySelector("main");
        merge(box);
        good = new Date();
        say("live", "live");
      } catch (e) {
        say("lost", "no answer since " + good.toLocaleTimeString());
      }
    }
    setTimeout(ask, pause);
  };
  say("live", "live");
  setTimeout(ask, pause);
})();
