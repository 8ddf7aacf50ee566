// Draw each chart when it comes near the viewport; load Plotly then, once. Colors follow the theme.
"use strict";

(() => {
  const charts = Array.from(document.querySelectorAll("[data-chart]"));
  if (!charts.length) return;
  const isChinese = document.documentElement.lang.startsWith("zh");
  let plotly = null;

  function load(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} did not load`));
      document.head.append(script);
    });
  }

  // The locale file is CommonJS: it leaves its export in a global `module`. Plotly itself would
  // export there too, so the global exists only while the locale loads.
  async function loadPlotly(chart) {
    await load(chart.dataset.plotly);
    if (isChinese) {
      window.module = {};
      await load(chart.dataset.localeZh);
      window.Plotly.register(window.module.exports);
      delete window.module;
    }
    return window.Plotly;
  }

  function isDark() {
    const theme = document.documentElement.dataset.theme;
    if (theme === "dark" || theme === "light") return theme === "dark";
    return window.matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function rgb(hex) {
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",");
  }

  function recolored(value, pairs) {
    if (typeof value === "string") {
      let text = value;
      for (const [light, dark] of pairs) {
        if (text.toUpperCase() === light) return dark;
        text = text.replace(`rgba(${rgb(light)},`, `rgba(${rgb(dark)},`);
      }
      return text;
    }
    if (Array.isArray(value)) return value.map((one) => recolored(one, pairs));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recolored(v, pairs)]));
    }
    return value;
  }

  async function draw(chart) {
    const payload = JSON.parse(document.getElementById(chart.dataset.chart).textContent);
    const plot = chart.querySelector("[data-plot]");
    try {
      plotly = plotly || loadPlotly(chart);
      const Plotly = await plotly;
      const pairs = isDark() ? Object.entries(payload.dark) : [];
      const { data, layout, config } = recolored(payload.figure, pairs);
      plot.querySelector(".chart-wait")?.remove();
      plot.setAttribute("aria-label", payload.label);
      await Plotly.react(plot, data, layout, config);
      chart.dataset.drawn = "1";
      chart.dispatchEvent(new CustomEvent("chart:drawn", { bubbles: true }));
    } catch (error) {
      const wait = plot.querySelector(".chart-wait");
      if (wait) wait.textContent = String(error.message || error);
    }
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        draw(entry.target);
      }
    },
    { rootMargin: "300px" },
  );
  // Tiles are painted first: Plotly blocks the page while it starts.
  window.addEventListener("load", () => {
    requestAnimationFrame(() => setTimeout(() => charts.forEach((one) => near.observe(one)), 0));
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    charts.filter((one) => one.dataset.drawn).forEach(draw);
  });
})();
