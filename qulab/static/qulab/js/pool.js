/* The serving process's own pool, as it changes. */

import { subscribe } from "./live.js";

const meter = document.querySelector("[data-pool]");

function paint(state) {
  for (const name of ["checked_out", "idle", "overflow", "available", "lent", "longest_wait"]) {
    const readout = document.querySelector(`[data-pool-${name}]`);
    if (readout) readout.textContent = state[name];
  }
  meter.querySelectorAll(".seat").forEach((seat, i) => {
    seat.classList.toggle("taken", i < state.checked_out);
    seat.classList.toggle("open", i >= state.checked_out && i < state.checked_out + state.idle);
  });
}

if (meter) subscribe("pool", paint);
