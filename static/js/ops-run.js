// Keep a run's page live: ask each second (each 5 s in a hidden tab), show what changed.
"use strict";

(() => {
  const card = document.querySelector("[data-run]");
  if (!card || card.dataset.active !== "1") return;
  const startedAt = performance.now();
  let elapsedBase = Number(card.dataset.elapsed) || 0;
  let elapsedFrom = startedAt;
  let isMoving = card.dataset.state !== "queued";
  let tag = "";
  let points = -1;
  let trials = -1;
  let failures = 0;

  function clockTime(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const pad = (n) => String(n).padStart(2, "0");
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
  }

  function setText(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function tick() {
    if (!isMoving) return;
    const spent = elapsedBase + (performance.now() - elapsedFrom) / 1000;
    setText(card.querySelector("[data-elapsed-text]"), clockTime(spent));
  }

  function show(body) {
    for (const element of card.querySelectorAll("[data-show]")) {
      setText(element, String(body[element.dataset.show]));
    }
    card.querySelector("[data-progress]").value = body.progress;
    document.title = `${body.title} · RecLoop`;
    elapsedBase = body.elapsed_s;
    elapsedFrom = performance.now();
    isMoving = body.state !== "queued";
    const log = card.querySelector("[data-log]");
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    setText(log, body.log || "–");
    if (isAtEnd) log.scrollTop = log.scrollHeight;
    if (body.history.length) card.querySelector("[data-first]")?.remove();
    if (body.history.length !== points) grow(body);
    if (body.history.length !== trials) renewTrials().catch(() => {});
    trials = body.history.length;
  }

  // Each trace's `meta` names the field of the history it draws; the table follows its chart.
  function grow(body) {
    for (const chart of card.querySelectorAll("[data-chart]")) {
      const plot = chart.querySelector("[data-plot]");
      if (!chart.dataset.drawn || !plot.data?.some((trace) => trace.meta)) continue;
      for (const trace of plot.data) {
        const isBest = trace.meta === "best";
        const rows = isBest
          ? body.history.filter((row) => row.epoch === body.best_epoch)
          : body.history;
        const key = isBest ? "validation" : trace.meta;
        trace.x = rows.map((row) => row.epoch);
        trace.y = rows.map((row) => row[key] ?? null);
      }
      window.Plotly.redraw(plot);
      points = body.history.length;
      table(chart, plot.data, body.history);
    }
  }

  // The trials of a search: a fragment that the server draws, as it drew the first one.
  async function renewTrials() {
    const place = card.querySelector("[data-trials]");
    if (!place) return;
    const answer = await fetch(place.dataset.trials, { cache: "no-store" });
    if (answer.ok) place.innerHTML = await answer.text();
  }

  function table(chart, traces, history) {
    const body = chart.querySelector("tbody");
    const keys = traces.map((trace) => trace.meta).filter((key) => key !== "best");
    body.replaceChildren(
      ...history.map((row) => {
        const line = document.createElement("tr");
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = row.epoch;
        const cells = keys.map((key) => {
          const cell = document.createElement("td");
          cell.textContent = typeof row[key] === "number" ? row[key].toFixed(4) : "–";
          return cell;
        });
        line.append(head, ...cells);
        return line;
      }),
    );
  }

  async function poll() {
    try {
      const headers = tag ? { "If-None-Match": tag } : {};
      const answer = await fetch(card.dataset.run, { headers, cache: "no-store" });
      failures = 0;
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        const body = await answer.json();
        if (!body.is_active || String(Number(body.is_lost)) !== card.dataset.lost) {
          // Verdict, banners and buttons are the server's to draw.
          window.location.reload();
          return;
        }
        show(body);
      } else if (answer.status !== 304) {
        failures += 1;
      }
    } catch {
      failures += 1;
    }
    const pause = document.hidden ? 5000 : Math.min(1000 * 2 ** failures, 30000);
    setTimeout(poll, pause);
  }

  document.addEventListener("chart:drawn", () => {
    points = -1;
    tag = "";
  });
  setInterval(tick, 1000);
  poll();
})();
