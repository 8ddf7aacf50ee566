"use strict";
// The site works without this file. It sends forms in place, refreshes home's rows after a rating,
// and reports which cards were really seen.

const csrf = () => document.body.dataset.csrf;
const before = new Map(); // event id → [element id, the element as it was], for undo
const acted = new Set(); // ids of cards that the visitor acted on: a refresh leaves them in place

// --- Forms in place ---------------------------------------------------------------------------
async function send(form, submitter) {
  const body = new FormData(form, submitter);
  const card = form.closest(".card");
  form.setAttribute("aria-busy", "true");
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body, headers: { "X-Fragment": "1" } });
  } catch {
    form.submit(); // the network decides, and the browser shows what it says
    return;
  }
  const parts = new DOMParser()
    .parseFromString(await answer.text(), "text/html")
    .querySelectorAll("template[data-swap]");
  form.removeAttribute("aria-busy");
  if (!parts.length) {
    form.submit();
    return;
  }
  parts.forEach((part) => swap(part, card, body.get("undoes")));
  if (!answer.ok) return;
  const isBack = form.dataset.enhance === "undo" && restore(body.getAll("event_id"));
  if (form.dataset.enhance === "rate" || isBack) refreshRows();
}

function swap(part, card, replaced) {
  const target = document.getElementById(part.dataset.swap);
  if (!target) return;
  if (part.dataset.inner) {
    target.replaceChildren(part.content);
    return;
  }
  if (part.dataset.event && card?.contains(target)) {
    acted.add(card.id);
    remember(part.dataset.event, replaced, target);
  }
  const focused = target.contains(document.activeElement) ? document.activeElement : null;
  const fresh = part.content.firstElementChild;
  const next = target.nextElementSibling || target.previousElementSibling;
  target.replaceWith(...part.content.childNodes);
  if (focused) refocus(fresh || next || document.getElementById("main"), focused);
}

// `replaced` is the event that this one takes the place of: undo then brings back what stood there.
function remember(event, replaced, target) {
  before.set(event, before.get(replaced) || [target.id, target]);
  before.delete(replaced);
}

// Says whether a rating came back: then the rows are other ones than before.
function restore(events) {
  let isRating = false;
  for (const event of events) {
    const known = before.get(event);
    const present = known && document.getElementById(known[0]);
    before.delete(event);
    if (!present) continue;
    const hadFocus = present.contains(document.activeElement) || document.activeElement === document.body;
    present.replaceWith(known[1]);
    const card = known[1].closest(".card");
    const isTouched = [...before.values()].some(([id]) => id === known[0]);
    if (card && !isTouched) acted.delete(card.id);
    if (hadFocus) refocus(known[1], {});
    isRating ||= !known[1].matches(".card");
  }
  return isRating;
}

function refocus(fresh, old) {
  const same = old.name && fresh.querySelector(`input[name="${old.name}"][value="${old.value}"]`);
  const first = fresh.querySelector("input:checked, a[href]:not([tabindex]), button, input:not([type=hidden])");
  (same || first || fresh).focus({ preventScroll: true });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.enhance) return;
  event.preventDefault();
  send(form, event.submitter);
});

// --- Stars: one press rates; a second press on the same star takes half off --------------------
let waiting;
let pointerAt = 0;
document.addEventListener("pointerdown", () => (pointerAt = Date.now()), true);

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-enhance=rate]");
  if (!form) return;
  form.querySelector("input[type=hidden][name=value]")?.remove();
  clearTimeout(waiting);
  // Arrow keys pass over stars on the way to the one that is meant.
  waiting = setTimeout(() => form.requestSubmit(), Date.now() - pointerAt < 700 ? 0 : 600);
});

document.addEventListener("pointerdown", (event) => {
  const input = event.target.closest(".star")?.querySelector("input");
  if (input) input.dataset.wasChecked = input.checked ? "1" : "";
});

document.addEventListener("click", (event) => {
  const input = event.target.closest(".star input");
  if (!input || !input.dataset.wasChecked || !input.closest("fieldset").dataset.halves) return;
  input.dataset.wasChecked = "";
  const form = input.form;
  const star = Number(input.value) / (Number([...form.elements.value].indexOf(input)) + 1);
  const half = document.createElement("input");
  half.type = "hidden";
  half.name = "value";
  half.value = String(Number(input.value) - star / 2);
  input.checked = false;
  form.append(half);
  form.requestSubmit();
});

// --- Home's rows after a rating -----------------------------------------------------------------
async function refreshRows() {
  const rows = document.getElementById("rows");
  if (!rows) return;
  rows.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(rows.dataset.src, { headers: { "X-Fragment": "1" } });
    if (answer.ok) merge(rows, new DOMParser().parseFromString(await answer.text(), "text/html").body);
  } finally {
    rows.removeAttribute("aria-busy");
  }
}

// Cards that the visitor acted on never move, so that focus and place stay; all else is replaced.
function merge(rows, fresh) {
  const kept = new Set([...rows.querySelectorAll(".card")].filter((card) => acted.has(card.id)));
  const incoming = [...fresh.children];
  kept.forEach((card) => fresh.querySelector(`#${card.id}`)?.remove()); // no item twice
  const held = [...rows.querySelectorAll(".row")].filter((row) => [...kept].some((card) => row.contains(card)));
  const old = new Map([...rows.querySelectorAll(".row")].map((row) => [key(row), ids(row)]));
  const pairs = new Map();
  for (const row of held) {
    const twin = incoming.find((next) => key(next) === key(row)) ||
      incoming.find((next) => next.dataset.row === row.dataset.row && ![...pairs.values()].includes(next));
    if (twin) pairs.set(row, twin);
  }
  [...rows.children].forEach((child) => held.includes(child) || child.remove());
  const anchors = held.filter((row) => pairs.has(row));
  let anchor = null;
  for (const next of incoming) {
    const stays = anchors.find((row) => pairs.get(row) === next);
    if (stays) {
      fill(stays, next, kept);
      anchor = stays;
    } else if (anchor || !held.length) {
      anchor ? anchor.after(next) : rows.append(next);
      anchor = next;
    } else {
      held[0].before(next);
    }
    mark(stays || next, old, rows.dataset.updated);
  }
  held.filter((row) => !pairs.has(row)).forEach((row) => {
    row.querySelectorAll(".card").forEach((card) => kept.has(card) || card.remove());
  });
  renumber(rows);
  watch(rows);
  addArrows(rows);
}

const key = (row) => `${row.dataset.row}:${row.querySelector("h2")?.textContent.trim()}`;
const ids = (row) => [...row.querySelectorAll(".card")].map((card) => card.id).join();

function fill(row, next, kept) {
  row.querySelector(".row-head").replaceWith(next.querySelector(".row-head"));
  const list = row.querySelector(".card-row");
  const places = [...list.children].map((card, index) => [index, card]).filter(([, card]) => kept.has(card));
  [...list.children].forEach((card) => kept.has(card) || card.remove());
  const cards = [...next.querySelectorAll(".card")];
  let index = 0;
  for (const [place, card] of places) {
    for (; index < place && cards.length; index += 1) card.before(cards.shift());
    index += 1;
  }
  list.append(...cards);
}

function mark(row, old, word) {
  const head = row.querySelector?.(".row-head");
  if (!head || old.get(key(row)) === ids(row)) return;
  const badge = document.createElement("span");
  badge.className = "badge badge-updated";
  badge.textContent = word;
  head.querySelector("h2").after(badge);
}

// Rows name their headings by id, and rows of two answers carry the same ids.
function renumber(rows) {
  rows.querySelectorAll(".row").forEach((row, index) => {
    row.id = `row-${index + 1}`;
    row.querySelector("h2").id = `row-${index + 1}-title`;
    row.setAttribute("aria-labelledby", `row-${index + 1}-title`);
  });
}

// --- Impressions: at least half of the card in view for a second, once ---------------------------
const timers = new Map();
const seen = new Set();
let batch = [];
let flushing;

const observer = "IntersectionObserver" in window && new IntersectionObserver((entries) => {
  for (const { target, intersectionRatio } of entries) {
    clearTimeout(timers.get(target));
    if (intersectionRatio >= 0.5) timers.set(target, setTimeout(() => report(target), 1000));
  }
}, { threshold: [0, 0.5] });

function report(card) {
  observer.unobserve(card);
  if (document.hidden || !card.isConnected || seen.has(card.dataset.token)) return;
  seen.add(card.dataset.token);
  batch.push(card.dataset.token);
  clearTimeout(flushing);
  flushing = setTimeout(flush, 1000);
}

function flush() {
  if (!batch.length) return;
  const tokens = batch.splice(0, 100);
  fetch(document.body.dataset.signals, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", "X-CSRFToken": csrf(), "X-Fragment": "1" },
    body: JSON.stringify({ tokens }),
  }).catch(() => {});
}

function watch(root) {
  if (!observer || !document.body.dataset.signals) return;
  root.querySelectorAll(".card[data-token]:not([data-token=''])").forEach((card) => {
    if (!seen.has(card.dataset.token)) observer.observe(card);
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) flush();
  else watch(document); // what was in view while the page was hidden starts its second anew
});

// --- Arrows beside a row ------------------------------------------------------------------------
function addArrows(root) {
  root.querySelectorAll(".row").forEach((row) => {
    const list = row.querySelector(".card-row");
    const tools = row.querySelector(".row-tools");
    if (!list || !tools || tools.querySelector("button")) return;
    for (const [sign, way, word] of [["‹", -1, document.body.dataset.back], ["›", 1, document.body.dataset.on]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = -1; // the keyboard scrolls the row itself
      button.textContent = sign;
      button.setAttribute("aria-label", `${word}: ${row.querySelector("h2").textContent.trim()}`);
      button.addEventListener("click", () => {
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        list.scrollBy({ left: way * list.clientWidth * 0.8, behavior: calm ? "auto" : "smooth" });
      });
      tools.append(button);
    }
  });
}

watch(document);
addArrows(document);

// --- A sentence that a language model writes: the reasons stand already, this comes when it comes --
async function awaitSentence(place, tries) {
  const answer = await fetch(place.dataset.sentence, { headers: { "X-Fragment": "1" } });
  if (answer.status === 200) place.innerHTML = await answer.text();
  else if (answer.status === 202 && tries > 1) setTimeout(awaitSentence, 1500, place, tries - 1);
}
const awaited = document.querySelector("[data-sentence]");
if (awaited) awaitSentence(awaited, 20).catch(() => {});
