/* A key does what a visible control does, by pressing that control: nothing can be done by keys alone.
   Whoever types, or holds Ctrl, Alt or Meta, means something else; and no key leaves a question, where what was
   chosen would be lost. */

const PAUSE = 1500; // milliseconds between the two keys of g 1
const TYPING = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";

const help = document.getElementById("keys");
let pending = "";
let forgetting;

function press(selector) {
  const control = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());
  if (!control) return false;
  control.focus();
  control.click();
  return true;
}

function find() {
  const field = document.getElementById("find");
  if (!field) return false; // no lab, nothing to search
  field.focus();
  field.select();
  return true;
}

function toggleHelp() {
  if (help.open) help.close();
  else help.showModal();
  return true;
}

const ACTIONS = {
  "/": find,
  "?": toggleHelp,
  r: () => press("main [data-keys=r]"),
  t: () => (document.querySelector("[data-theme-toggle]").click(), true),
};

function act(key) {
  const sequence = pending + key;
  clearTimeout(forgetting);
  pending = "";
  if (sequence === "g") {
    pending = "g";
    forgetting = setTimeout(() => (pending = ""), PAUSE);
    return false;
  }
  if (sequence.length > 1) return !document.querySelector(".asking") && press(`[data-keys="${CSS.escape(sequence)}"]`);
  return Object.hasOwn(ACTIONS, key) && ACTIONS[key]();
}

addEventListener("keydown", (event) => {
  const held = event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat;
  if (held || event.defaultPrevented || event.key.length > 1 || event.target.closest?.(TYPING)) return;
  if (help.open && event.key !== "?") return;
  if (act(event.key)) event.preventDefault();
});

const button = document.querySelector("[data-keys-help]");
button.hidden = false;
button.addEventListener("click", toggleHelp);
