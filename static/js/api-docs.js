"use strict";
// The reference reads without this file. It turns the three languages of each step into tabs, fills
// in the reader's key, copies code and runs a step against this server.

const steps = [...document.querySelectorAll("[data-snippet]")];
const keyInput = document.getElementById("docs-key");
const placeholder = keyInput.dataset.placeholder;
let token = ""; // the last list's first token: the step that sends tokens back needs one

function button(text, className, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.className = className;
  made.addEventListener("click", act);
  return made;
}

// --- Tabs -------------------------------------------------------------------------------------
function buildTabs(step, number) {
  const heads = [...step.querySelectorAll("[data-tab]")];
  const list = document.createElement("div");
  list.className = "docs-tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", step.closest("article").querySelector("h3").textContent);
  heads.forEach((head, index) => {
    const panel = head.nextElementSibling;
    panel.id = `code-${number}-${index}`;
    panel.setAttribute("role", "tabpanel");
    const tab = button(head.textContent, "", () => choose(index));
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    list.append(tab);
    head.remove();
  });
  list.addEventListener("keydown", moveFocus);
  step.prepend(list);
}

function moveFocus(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const tabs = [...event.currentTarget.children];
  const next = (tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length;
  tabs[next].focus();
  choose(next);
}

// One choice holds for the whole page: nobody reads step 1 in curl and step 2 in Python.
function choose(index) {
  for (const step of steps) {
    [...step.querySelectorAll("[role=tab]")].forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === index));
      tab.tabIndex = n === index ? 0 : -1;
    });
    [...step.querySelectorAll("[role=tabpanel]")].forEach((panel, n) => {
      panel.hidden = n !== index;
    });
  }
}

// --- The reader's key -------------------------------------------------------------------------
const originals = new Map();
document.querySelectorAll("[data-snippet] code").forEach((code) => {
  originals.set(code, code.textContent);
});

function fillIn() {
  const key = keyInput.value.trim() || placeholder;
  for (const [code, text] of originals) {
    code.textContent = text.replaceAll(placeholder, key).replaceAll("TOKEN", token || "TOKEN");
  }
}

// --- Copy and run -----------------------------------------------------------------------------
function addTools(step) {
  const tools = document.createElement("div");
  tools.className = "inline-actions docs-tools";
  const answer = document.createElement("pre");
  answer.className = "docs-answer";
  answer.tabIndex = 0;
  answer.hidden = true;
  answer.setAttribute("role", "status");
  const copy = button(step.dataset.copy, "", async () => {
    await navigator.clipboard.writeText(step.querySelector("pre:not([hidden]) code").textContent);
    copy.textContent = step.dataset.copied;
    setTimeout(() => (copy.textContent = step.dataset.copy), 2000);
  });
  tools.append(copy, button(step.dataset.run, "button-primary", () => run(step, answer)));
  step.append(tools, answer);
}

async function run(step, answer) {
  const { method, path, body } = step.dataset;
  const headers = { Authorization: `Bearer ${keyInput.value.trim()}` };
  const options = { method, headers };
  if (body) {
    headers["Content-Type"] = "application/json";
    options.body = body.replaceAll("TOKEN", token || "TOKEN");
  }
  answer.hidden = false;
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    answer.textContent = `${response.status}\n${pretty(text)}`;
  } catch {
    answer.textContent = step.dataset.failed;
  }
}

function pretty(text) {
  try {
    const data = JSON.parse(text);
    if (data.items && data.items.length) {
      token = data.items[0].token;
      fillIn();
    }
    return JSON.stringify(data, null, 2);
  } catch {
    return text;
  }
}

steps.forEach(buildTabs);
steps.forEach(addTools);
choose(0);
keyInput.addEventListener("input", fillIn);
