/* The serving process's own pool, several times a second, while its page is in view. */

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

async function look() {
  if (!document.hidden) {
    const answer = await fetch(meter.dataset.pool).catch(() => null);
    if (answer && answer.ok) paint(await answer.json());
  }
  setTimeout(look, 250);
}

if (meter) look();
