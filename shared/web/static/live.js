// Keeps a page's [data-refresh] regions current: at each event of the stream the page is read again and they are swapped.
// A region that has the focus or controls is left alone. Without this file the page still says what it knew when read.
const PACE = 1000; // at most one reading a second, however fast the stream is

const source = document.body.querySelector("[data-stream]");
const state = document.querySelector("[data-connection]");
let stream = null;
let asked = false;
let reading = false;

function say(word) {
  state.textContent = state.dataset[word];
  state.dataset.now = word;
}

async function refresh() {
  if (reading) {
    asked = true;
    return;
  }
  reading = true;
  asked = false;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok) {
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {
    say("waiting");
  }
  setTimeout(() => {
    reading = false;
    if (asked) refresh();
  }, PACE);
}

function swap(fresh) {
  for (const region of document.querySelectorAll("[data-refresh]")) {
    const now = fresh.getElementById(region.id);
    if (now && now.innerHTML !== region.innerHTML && !region.contains(document.activeElement)) {
      region.innerHTML = now.innerHTML;
    }
  }
}

function open() {
  if (stream) return;
  stream = new EventSource(source.dataset.stream);
  stream.onopen = () => say("live");
  stream.onerror = () => {
    say("waiting");
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    close();
    setTimeout(() => document.hidden || open(), 3000);
  };
  for (const name of source.dataset.events.split(" ")) stream.addEventListener(name, refresh);
}

function close() {
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : (open(), refresh())));
open();
