// The view of helpers/views/labeler.py: one question at a time, by mouse or keyboard.
//
// All state is the kernel's (`state`), so every view of the widget shows the same question. An answer is a message
// with an id, and it stays pending until the kernel answers to that id, which it does once the answer is on disk.
// Texts come from data: they go into the page as text nodes only.

const STRENGTHS = [
  [4, "significantly better"],
  [3, "better"],
  [2, "slightly better"],
  [1, "negligibly better, or unsure"],
];
const RATINGS = { 1: "1 worst", 4: "4 middling", 7: "7 best" };
const SIDES = { left: "A", right: "B" };
const STOPPED = "The kernel was stopped. What was acknowledged is on disk: run this cell again to go on.";
const PATIENCE = 4000; // milliseconds until the view says that no answer has come

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function render({ model, el }) {
  const rating = model.get("kind") === "ratings";
  let picked = null; // the side that the arrow keys chose
  let pending = null; // the message that has not been answered yet
  let alive = true;
  let timer;
  const buttons = [];

  function button(text, act, properties = {}) {
    const element = make("button", { type: "button", ...properties }, text);
    element.addEventListener("click", act);
    buttons.push(element);
    return element;
  }

  // --- What is seen ---------------------------------------------------------

  const bar = make("progress", { "aria-label": "answers saved" });
  const counter = make("span", { class: "rlhf-counter" });
  const post = make("div", { class: "rlhf-text rlhf-post", dir: "auto", role: "group", "aria-label": "the post" });
  const texts = [];
  const picks = {};
  const strengths = {};

  function card(side) {
    const text = make("div", { class: "rlhf-text", dir: "auto" });
    texts.push(text);
    const choices = make("div", { class: "rlhf-choices", role: "group" });
    const name = rating ? "the text to rate" : `text ${SIDES[side]}`;
    const group = make("section", { class: "rlhf-card", role: "group", "aria-label": name });
    if (rating) {
      choices.setAttribute("aria-label", "rating, 1 worst to 7 best");
      for (let value = 1; value <= 7; value++) {
        const act = () => send({ action: "rate", rating: value });
        choices.append(button(RATINGS[value] ?? String(value), act, { "data-answer": `rate ${value}` }));
      }
      group.append(text, choices);
      return group;
    }
    choices.setAttribute("aria-label", `how much better ${SIDES[side]} is`);
    picks[side] = button("", () => pick(side), { class: "rlhf-pick", "aria-pressed": "false" });
    strengths[side] = [];
    for (const [strength, meaning] of STRENGTHS) {
      const act = () => send({ action: "choose", side, strength });
      const properties = { "data-answer": `${side} ${strength}`, "aria-pressed": "false" };
      strengths[side].push(button(`${strength} ${meaning}`, act, properties));
    }
    choices.append(...strengths[side]);
    group.append(picks[side], text, choices);
    return group;
  }

  const cards = make("div", { class: "rlhf-cards" }, ...(rating ? [card("left")] : [card("left"), card("right")]));
  const undo = button("Undo (u)", () => send({ action: "undo" }), { "data-answer": "undo" });
  const actions = make("div", { class: "rlhf-actions" });
  if (!rating) {
    actions.append(
      button("Tie (t)", () => send({ action: "tie" }), { "data-answer": "tie" }),
      button("Skip (s)", () => send({ action: "skip" }), { "data-answer": "skip" }),
    );
  }
  actions.append(undo);
  const status = make("span", { role: "status", "aria-live": "polite" });
  const resend = make("button", { type: "button", hidden: "" }, "Send again");
  resend.addEventListener("click", dispatch);
  const keys = rating
    ? "Keys: 1 to 7 rates, u undoes."
    : "Keys: \u2190 or \u2192 picks a side, then 1 to 4 says how much better and saves; t tie, s skip, u undo.";
  const root = make(
    "div",
    {
      class: "rlhf-labeler",
      tabindex: "0",
      role: "group",
      "aria-label": rating ? "Rate one text at a time" : "Which of two texts is better?",
      "data-lm-suppress-shortcuts": "true", // else JupyterLab takes "a" for a new cell above
    },
    make("div", { class: "rlhf-head" }, bar, counter),
    post,
    cards,
    actions,
    make("div", { class: "rlhf-status" }, status, resend),
    make("div", { class: "rlhf-keys" }, keys),
  );

  function say(text, tone = "") {
    status.textContent = text;
    status.className = tone;
  }

  function show() {
    const state = model.get("state");
    const finished = !state.token;
    bar.max = Math.max(state.total, 1);
    bar.value = state.saved;
    counter.textContent = finished
      ? `All done: ${state.saved} of ${state.total} saved. Go on with the next cell.`
      : `Question ${state.saved + 1} of ${state.total}; ${state.saved} saved`;
    post.textContent = state.prompt;
    texts.forEach((text, number) => (text.textContent = (state.texts[number] ?? "").trim()));
    post.hidden = cards.hidden = finished;
    mark();
  }

  // Disabled buttons would lose the focus, so they only say that they are.
  function mark() {
    const state = model.get("state");
    const closed = !alive || pending !== null;
    for (const element of buttons) {
      const off = closed || (element === undo ? !state.can_undo : !state.token);
      element.setAttribute("aria-disabled", String(off));
    }
    for (const side of Object.keys(picks)) {
      const own = pending?.side === side || picked === side;
      picks[side].setAttribute("aria-pressed", String(own));
      const arrow = side === "left" ? "\u2190" : "\u2192";
      const hint = pending ? "" : own ? ": press 1 to 4" : ` (${arrow})`;
      picks[side].textContent = `${own ? "\u2713 " : ""}${SIDES[side]} is better${hint}`;
      strengths[side].forEach((element, number) => {
        const sent = pending?.side === side && pending.strength === STRENGTHS[number][0];
        element.setAttribute("aria-pressed", String(sent));
      });
    }
    root.setAttribute("aria-busy", String(pending !== null));
  }

  // --- Answers --------------------------------------------------------------

  function closed() {
    if (!alive) say(STOPPED, "rlhf-bad");
    return !alive || pending !== null;
  }

  function pick(side) {
    if (closed() || !model.get("state").token) return;
    picked = side;
    say(`${SIDES[side]} picked; 1 to 4 says how much better`);
    mark();
  }

  function send(answer) {
    const state = model.get("state");
    if (closed() || (answer.action === "undo" ? !state.can_undo : !state.token)) return;
    pending = { ...answer, token: state.token, id: `${Date.now()}-${Math.random()}` };
    dispatch();
  }

  function dispatch() {
    resend.hidden = true;
    say("Saving \u2026");
    mark();
    clearTimeout(timer);
    timer = setTimeout(
      () =>
        fail(
          "Not saved yet: the kernel does not answer. If it is busy, this waits until it is free; if it was " +
            "restarted, run this cell again and give the answer anew.",
        ),
      PATIENCE,
    );
    try {
      model.send(pending);
    } catch {
      fail("Not saved: the kernel cannot be reached. Your answer waits here.");
    }
  }

  function fail(text) {
    clearTimeout(timer);
    resend.hidden = false;
    say(text, "rlhf-bad");
  }

  function settle(text, tone) {
    clearTimeout(timer);
    pending = picked = null;
    resend.hidden = true;
    say(text, tone);
    mark();
  }

  function replied(reply) {
    alive = true;
    if (!pending || reply.id !== pending.id) return; // another view's
    if (reply.ok) settle(reply.text, "rlhf-good");
    else if (reply.retry) fail(reply.text);
    else settle(reply.text, "rlhf-bad");
  }

  function changed() {
    alive = true;
    picked = null; // it was picked for the question before
    show();
  }

  // JupyterLab says so when it restarts the kernel; a new kernel knows nothing of this widget.
  function lost() {
    alive = false;
    settle(`${pending ? "Your last answer may not be saved. " : ""}${STOPPED}`, "rlhf-bad");
  }

  // --- Keyboard -------------------------------------------------------------

  function key(event) {
    event.stopPropagation();
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return; // a key held down is one answer
    const digit = /^[1-7]$/.test(event.key) ? Number(event.key) : null;
    const side = { ArrowLeft: "left", ArrowRight: "right" }[event.key];
    const letter = event.key.toLowerCase();
    if (letter === "u") send({ action: "undo" });
    else if (rating && digit) send({ action: "rate", rating: digit });
    else if (rating) return;
    else if (side) pick(side);
    else if (digit && digit <= 4 && picked) send({ action: "choose", side: picked, strength: digit });
    else if (digit && digit <= 4) closed() || say("First pick a side, with \u2190 or \u2192", "rlhf-bad");
    else if (letter === "t") send({ action: "tie" });
    else if (letter === "s") send({ action: "skip" });
    else return;
    event.preventDefault();
  }

  root.addEventListener("keydown", key);
  model.on("change:state", changed);
  model.on("msg:custom", replied);
  model.on("comm_live_update", lost);
  el.append(root);
  show();
  return () => clearTimeout(timer);
}

export default { render };
