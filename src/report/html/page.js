"use strict";
(() => {
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  for (const control of all(".control")) control.hidden = false;

  // Findings: only the rows with some words.
  const filter = document.getElementById("filter");
  if (filter) {
    const rows = all('[aria-label="All findings"] tbody tr');
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const matching = document.getElementById("matching");
    const apply = () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        row.hidden = !wanted.every((word) => texts[at].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      matching.textContent = `${shown} of ${rows.length}`;
    };
    filter.addEventListener("input", apply);
    apply();
  }

  // A link to a finding opens it; paper has all of them.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });

  // Lanes: all show the same stretch of time. Coordinates within a view are shares of its width.
  const lanes = document.querySelector(".lanes");
  if (!lanes) return;
  const views = all(".lanes svg.view");
  const [first, last] = [Number(lanes.dataset.from), Number(lanes.dataset.to)];
  const stretch = document.getElementById("stretch");
  let [at, width] = [0, 1];
  const moment = (share) => new Date(first + (last - first) * share).toISOString();
  const show = () => {
    width = Math.min(1, Math.max(1e-5, width));
    at = Math.min(1 - width, Math.max(0, at));
    for (const view of views) {
      view.setAttribute("x", `${(-at / width) * 100}%`);
      view.setAttribute("width", `${100 / width}%`);
    }
    stretch.textContent = `${moment(at)} to ${moment(at + width)} (UTC)`;
  };
  const zoom = (factor, about) => {
    const before = width;
    width = Math.min(1, Math.max(1e-5, width * factor));
    at += (before - width) * about;
    show();
  };
  const acts = {
    in: () => zoom(0.5, 0.5),
    out: () => zoom(2, 0.5),
    left: () => { at -= width / 4; show(); },
    right: () => { at += width / 4; show(); },
    whole: () => { at = 0; width = 1; show(); },
  };
  for (const button of all("button[data-act]")) button.addEventListener("click", acts[button.dataset.act]);
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "whole" };
  lanes.addEventListener("keydown", (event) => {
    if (keys[event.key]) {
      acts[keys[event.key]]();
      event.preventDefault();
    }
  });
  const within = (event) => {
    const box = views[0].ownerSVGElement.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  lanes.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.8 : 1.25, within(event));
  }, { passive: false });
  let held = null;
  lanes.addEventListener("pointerdown", (event) => { held = event.target.closest("a") ? null : [event.clientX, at]; });
  addEventListener("pointermove", (event) => {
    if (!held) return;
    const box = views[0].ownerSVGElement.getBoundingClientRect();
    at = held[1] - ((event.clientX - held[0]) / box.width) * width;
    show();
  });
  addEventListener("pointerup", () => { held = null; });
  show();
})();
