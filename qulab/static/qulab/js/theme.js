/* The chosen theme, if any, is on <html> before the first paint; without this file the system's choice holds. */

const root = document.documentElement;
const key = "qulab-theme";
const stored = localStorage.getItem(key);
if (stored === "light" || stored === "dark") root.dataset.theme = stored;

const isDark = () =>
  root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

function arm() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem(key, root.dataset.theme);
    show();
  });
}

if (document.readyState === "loading") addEventListener("DOMContentLoaded", arm);
else arm();
