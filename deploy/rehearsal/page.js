"use strict";
const QUICK_TEXTS = ["he's here", "STOP", "ES"];
const ANNOUNCED = 20;
const byId = (id) => document.getElementById(id);
const line = byId("line").textContent;
const home = byId("handsets");
const shown = new Map();
const remembered = JSON.parse(sessionStorage.getItem("handsets") || "null");
// Handsets that were there before: one of a drill is added when it comes, and not again when a person has removed it.
let met = JSON.parse(sessionStorage.getItem("met") || "null");
let scripts = [];

function remember() {
  sessionStorage.setItem("handsets", JSON.stringify([...shown.keys()]));
}

function make(kind, words, classes) {
  const element = document.createElement(kind);
  if (words) element.textContent = words;
  if (classes) element.className = classes;
  return element;
}

function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  return { ok: answer.ok, told: await answer.json() };
}

function under(text) {
  const segments = text.segments === 1 ? "1 segment" : text.segments + " segments";
  return new Date(text.at).toLocaleTimeString() + " · " + segments + " · " + text.status;
}

function announce(number, text) {
  byId("arrived").append(make("p", "At " + number + ": " + text.text));
  while (byId("arrived").children.length > ANNOUNCED) byId("arrived").firstChild.remove();
}

function itemOf(text) {
  const item = make("li", "", text.direction);
  const bubble = make("div", "", "bubble");
  bubble.dir = "auto";
  for (const medium of text.media || []) {
    bubble.append(make("span", (medium.type.startsWith("image/") ? "Picture" : "File") + " (" + medium.type + ")", "picture"));
  }
  bubble.append(text.text);
  item.append(make("span", text.direction === "in" ? "From this handset: " : "From the line: ", "unseen"), bubble, make("div", "", "small"));
  return item;
}

function paint(handset, texts) {
  const box = handset.box;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  let added = false;
  for (const text of texts) {
    let item = handset.items.get(text.id);
    if (!item) {
      item = itemOf(text);
      handset.items.set(text.id, item);
      handset.list.append(item);
      if (handset.filled && text.direction === "out") announce(handset.number, text);
      added = true;
    }
    say(item.lastChild, under(text));
  }
  handset.filled = true;
  if (added && atEnd) box.scrollTop = box.scrollHeight;
}

async function refresh(number) {
  const handset = shown.get(number);
  if (!handset) return;
  try {
    const answer = await ask("api/texts?handset=" + encodeURIComponent(number));
    if (!answer.ok) throw new Error();
    // The carrier was started again and has forgotten: so does the phone.
    const known = new Set(answer.told.map((text) => text.id));
    for (const [id, item] of handset.items) if (!known.has(id)) { item.remove(); handset.items.delete(id); }
    paint(handset, answer.told);
    if (handset.lost) { handset.lost = false; handset.trouble.textContent = ""; }
  } catch {
    if (!handset.lost) { handset.lost = true; handset.trouble.textContent = "The carrier does not answer."; }
  }
}

async function send(handset, text, picture) {
  let taken = false;
  try {
    const answer = await ask("api/texts", { from: handset.number, to: line, text, picture });
    handset.trouble.textContent = answer.ok ? "" : "Not sent. " + answer.told.error;
    taken = answer.ok;
  } catch {
    handset.trouble.textContent = "Not sent: the carrier does not answer.";
  }
  refresh(handset.number);
  return taken;
}

async function sendWritten(handset, event) {
  event.preventDefault();
  if (await send(handset, handset.words.value, handset.picture.checked)) {
    handset.words.value = "";
    handset.picture.checked = false;
  }
  handset.words.focus();
}

function remove(handset, section) {
  shown.delete(handset.number);
  section.remove();
  remember();
  byId("number").focus();
}

function add(number) {
  if (shown.has(number)) return;
  const section = byId("handset").content.cloneNode(true).firstElementChild;
  const form = section.querySelector("form");
  const handset = {
    number, box: section.querySelector(".texts"), list: section.querySelector("ol"), trouble: section.querySelector(".trouble"),
    heading: section.querySelector("h2"), words: section.querySelector("textarea"), picture: section.querySelector(".check input"), items: new Map(),
    lost: false, filled: false,
  };
  section.setAttribute("aria-label", "Handset " + number);
  handset.heading.textContent = number;
  section.querySelector(".name").textContent = "Text from " + number;
  handset.box.setAttribute("aria-label", "Texts of " + number);
  const quick = section.querySelector(".quick");
  quick.setAttribute("aria-label", "Quick texts from " + number);
  for (const words of QUICK_TEXTS) {
    const button = make("button", words);
    button.type = "button";
    button.addEventListener("click", () => send(handset, words, false));
    quick.append(button);
  }
  const away = section.querySelector(".remove");
  away.setAttribute("aria-label", "Remove handset " + number);
  away.addEventListener("click", () => remove(handset, section));
  form.addEventListener("submit", (event) => sendWritten(handset, event));
  handset.words.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
  });
  shown.set(number, handset);
  home.append(section);
  remember();
  refresh(number);
}

async function look() {
  try {
    const handsets = (await ask("api/handsets")).told;
    const first = met === null;
    const before = new Set(met);
    for (const { number, drill } of handsets) {
      if (drill && !first && !before.has(number)) add(number);
      if (drill && shown.has(number)) say(shown.get(number).heading, number + " (drill)");
    }
    if (first || handsets.some(({ number }) => !before.has(number))) {
      byId("known").replaceChildren(...handsets.map(({ number }) => new Option(number)));
      met = handsets.map(({ number }) => number);
      sessionStorage.setItem("met", JSON.stringify(met));
    }
    sayFaults((await ask("api/faults")).told);
  } catch { /* Each handset says that the carrier does not answer. */ }
}

function sayFaults({ send: kind, times, inbound }) {
  const said = [];
  if (kind !== "ok") said.push("sends that get " + kind + ": " + times);
  if (inbound.duplicate) said.push("texts told twice: " + inbound.duplicate);
  if (inbound.reorder) said.push("pairs of texts told in the wrong order: " + inbound.reorder);
  say(byId("faults-now"), said.length ? "Still to come: " + said.join("; ") + "." : "No fault is set.");
}

async function setFaults(body) {
  try {
    const answer = await ask("api/faults", body);
    byId("fault-trouble").textContent = answer.ok ? "" : "Not set. " + answer.told.error;
  } catch {
    byId("fault-trouble").textContent = "Not set: the carrier does not answer.";
  }
  look();
}

function chooseFaults(event) {
  event.preventDefault();
  const send = byId("send").value;
  const inbound = byId("inbound").value;
  if (!send && !inbound) { byId("fault-trouble").textContent = "Choose a fault first."; return; }
  const body = { times: Number(byId("times").value) };
  if (send) body.send = send === "reject" ? "reject:" + byId("code").value : send;
  if (inbound) body.inbound = inbound;
  setFaults(body);
}

function showScript() {
  const script = scripts.find(({ name }) => name === byId("script").value);
  if (!script) return;
  const language = byId("language").value;
  const spoken = (kind, words) => { const element = make(kind, words[language]); element.lang = language; return element; };
  byId("said").textContent = "!drill " + script.name + (language === "en" ? "" : " " + language);
  const scenes = script.scenes.flatMap((scene) => {
    const steps = make("ol");
    for (const { what, words } of scene.steps) {
      const item = make("li", what);
      if (words) item.append(spoken("q", words));
      steps.append(item);
    }
    return [make("h3", "Scene: " + scene.name), steps];
  });
  byId("scenes").replaceChildren(spoken("p", script.about), ...scenes);
}

async function loadScripts() {
  try {
    scripts = (await ask("api/drills")).told;
  } catch {
    byId("scenes").textContent = "The carrier does not answer.";
    return;
  }
  byId("script").replaceChildren(...scripts.map(({ name, title }) => new Option(title.en + " / " + title.es, name)));
  showScript();
}

byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("number");
  if (input.value.trim()) add(input.value.trim());
  input.value = "";
});
byId("fault-choice").addEventListener("submit", chooseFaults);
byId("no-faults").addEventListener("click", () => setFaults({ send: "ok", inbound: "ok" }));
byId("script-choice").addEventListener("change", showScript);
byId("script-choice").addEventListener("submit", (event) => event.preventDefault());
byId("drill").addEventListener("toggle", () => { if (byId("drill").open && !scripts.length) loadScripts(); });

(remembered || ["+15555550101", "+15555550102"]).forEach((number) => add(number));

async function poll() {
  if (!document.hidden) await Promise.all([look(), ...[...shown.keys()].map(refresh)]);
  setTimeout(poll, 700);
}
poll();
