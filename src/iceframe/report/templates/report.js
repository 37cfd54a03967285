"use strict";
(() => {
  const root = document.documentElement;
  const dark = JSON.parse(document.getElementById("colours").textContent);
  const config = { displayModeBar: false, responsive: true };
  const narrowBelow = 560;
  const drawn = new Map(); // plot element -> "theme/width class" that it was drawn for
  let printing = false;

  // ---- theme: the system's, unless the reader chose one -------------------------------------
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("iceframe-theme"); } catch { return null; } };
  const remember = (name) => { try { localStorage.setItem("iceframe-theme", name); } catch { /* private */ } };
  let choice = remembered();
  const theme = () => (printing ? "light" : choice || (system.matches ? "dark" : "light"));

  const toggle = document.getElementById("theme");
  function applyTheme() {
    root.dataset.theme = theme();
    toggle.setAttribute("aria-pressed", String(theme() === "dark"));
    toggle.querySelector("span").textContent = theme() === "dark" ? "Light" : "Dark";
    redraw();
  }
  toggle.addEventListener("click", () => {
    choice = theme() === "dark" ? "light" : "dark";
    remember(choice);
    applyTheme();
  });
  system.addEventListener("change", applyTheme);

  // ---- plots: drawn when first seen, again when the theme or the width class changes --------
  const colour = /"(#[0-9a-f]{6}|rgba\([0-9.,]+\))"/g;
  const inMarkup = /color:(#[0-9a-f]{6})/g;
  function themed(text) {
    if (theme() !== "dark") return text;
    return text
      .replace(colour, (all, c) => (dark[c] ? `"${dark[c]}"` : all))
      .replace(inMarkup, (all, c) => (dark[c] ? `color:${dark[c]}` : all));
  }
  function assign(layout, path, value) {
    const keys = path.split(".");
    const last = keys.pop();
    let place = layout;
    for (const key of keys) place = place[key] ??= {};
    place[last] = value;
  }
  const visible = (plot) => plot.clientWidth > 0;
  const state = (plot) => `${theme()}/${plot.clientWidth < narrowBelow}/${printing}`;
  function draw(plot) {
    if (!visible(plot) || drawn.get(plot) === state(plot)) return;
    const figure = JSON.parse(themed(document.getElementById(plot.dataset.figure).textContent));
    if (plot.clientWidth < narrowBelow)
      for (const [path, value] of Object.entries(figure.narrow)) assign(figure.layout, path, value);
    if (printing) { figure.layout.autosize = false; figure.layout.width = plot.clientWidth; }
    plot.style.minHeight = `${figure.layout.height}px`;
    drawn.set(plot, state(plot));
    Plotly.react(plot, figure.data, figure.layout, config);
  }
  const plots = [...document.querySelectorAll(".plot")];
  function redraw() { for (const plot of drawn.keys()) draw(plot); }
  const seen = new IntersectionObserver(
    (entries) => { for (const e of entries) if (e.isIntersecting) draw(e.target); },
    { rootMargin: "400px" },
  );
  for (const plot of plots) seen.observe(plot);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 120); });

  // ---- selectors: one panel of a family at a time -------------------------------------------
  for (const select of document.querySelectorAll("select[data-family]")) {
    select.addEventListener("change", () => {
      for (const panel of document.querySelectorAll(`[data-panel="${select.dataset.family}"]`))
        panel.hidden = panel.id !== select.value;
      for (const plot of document.getElementById(select.value).querySelectorAll(".plot")) draw(plot);
    });
  }

  // ---- one-line meanings of words -----------------------------------------------------------
  const bubble = document.getElementById("bubble");
  let term = null;
  function place() {
    const box = term?.getBoundingClientRect();
    bubble.hidden = !term || box.bottom < 0 || box.top > innerHeight;
    if (bubble.hidden) return;
    bubble.textContent = term.dataset.tip;
    const own = bubble.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left), innerWidth - own.width - 8);
    const below = box.bottom + own.height + 12 < innerHeight;
    bubble.style.left = `${left}px`;
    bubble.style.top = `${below ? box.bottom + 6 : box.top - own.height - 6}px`;
  }
  function explain(event) {
    term = event.target.closest?.("[data-tip]") ?? null;
    place();
  }
  for (const kind of ["pointerover", "focusin", "click"]) document.addEventListener(kind, explain);
  addEventListener("scroll", place, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { term = null; place(); } });

  // ---- paper: light, everything open, every plot as wide as the sheet -------------------------
  addEventListener("beforeprint", () => {
    printing = true;
    root.classList.add("printing");
    root.dataset.theme = "light";
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.opened = "";
    }
    for (const plot of plots) draw(plot);
  });
  addEventListener("afterprint", () => {
    printing = false;
    root.classList.remove("printing");
    for (const details of document.querySelectorAll("details[data-opened]")) {
      details.open = false;
      delete details.dataset.opened;
    }
    applyTheme();
  });

  applyTheme();
})();
