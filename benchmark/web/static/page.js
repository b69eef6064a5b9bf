"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const SMALL = 480; // pixels on the screen to which a smaller image is enlarged
const FIELD = 2 ** 19; // longer fixations go as a file: a field may have 1 MiB, a newline is two bytes
const state = { image: null, picture: null, size: null, models: [], version: "", prediction: null, points: [], choosing: null, predicting: null, scoring: null, addresses: [] };

function say(text) { $("status").textContent = text; $("clock").textContent = ""; }

function fail(text, place = "error") {
  const told = $(place);
  told.textContent = text; told.hidden = !text;
  if (place === "score-error") $("fixations").setAttribute("aria-invalid", Boolean(text));
  if (!text) return;
  if (place === "error") say("");
  told.scrollIntoView({ block: "nearest" });
}

async function detail(answer) {
  try { return (await answer.json()).detail; } catch { return `The server answered ${answer.status}.`; }
}

async function send(address, data, signal) {
  let answer;
  try { answer = await fetch(address, { method: "POST", body: data, signal }); } catch { throw new Error("The server cannot be reached."); }
  if (!answer.ok) throw new Error(await detail(answer));
  return answer;
}

/** Ends the request of a kind that is in flight, if any, and gives the signal of the next one. */
function instead(kind) {
  state[kind]?.abort();
  state[kind] = new AbortController();
  return state[kind].signal;
}

/** A picture that the browser can show, with its size in pixels, or null. */
function look(blob) {
  const address = URL.createObjectURL(blob), image = new Image();
  state.addresses.push(address);
  return new Promise((done) => {
    image.onload = () => done({ address, width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => done(null);
    image.src = address;
  });
}

/** Browsers show some images otherwise than the service reads them: unturned though EXIF says so, or moving. */
async function differs(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer()), jpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  return !jpeg && /EXIF|eXIf|ANIM|acTL|NETSCAPE/.test(new TextDecoder("latin1").decode(bytes));
}

/** The image as the service reads it; null of a service without previews. */
async function preview(blob, signal) {
  const data = new FormData(); data.append("image", blob, "image");
  try { return await look(await (await send("/preview", data, signal)).blob()); } catch { return null; }
}

const alike = (a, b) => Math.abs(a.width * b.height - a.height * b.width) <= 0.02 * a.width * b.height;

async function setImage(blob, name) {
  const signal = instead("choosing"); state.predicting?.abort();
  for (const address of state.addresses.splice(0)) URL.revokeObjectURL(address);
  Object.assign(state, { image: blob, picture: null, size: null, prediction: null });
  fail(""); $("result").hidden = true; $("predict").disabled = false; clearFixations();
  say(`Image: ${name}.`);
  let picture = null;
  try { picture = (await differs(blob)) ? null : await look(blob); } catch { /* the file cannot be read: told when it is sent */ }
  if (signal.aborted) return;
  state.picture = state.size = picture;
  measure(); predict();
}

/** Pixels per degree from the viewing distance, once the image's size is known. Returns whether they changed. */
function measure() {
  const distance = parseFloat($("distance").value), width = parseFloat($("screen").value), before = $("ppd").value;
  if (!(distance > 0 && width > 0)) return false;
  const degrees = 2 * Math.atan(width / 2 / distance) * 180 / Math.PI;
  $("ppd").value = state.size ? (state.size.width / degrees).toFixed(1) : "";
  return $("ppd").value !== before;
}

function form() {
  const data = new FormData(), bias = $("centre-bias").value, resolution = $("ppd").value.trim();
  data.append("image", state.image, "image");
  data.append("model", $("model").value);
  data.append("centre_bias", bias === "none" ? "on" : bias);
  if (bias === "uploaded" && $("bias-file").files[0]) data.append("centre_bias_file", $("bias-file").files[0], "bias");
  if (resolution) data.append("pixels_per_degree", resolution);
  return data;
}

/** Shows every second how long a prediction takes, and says it aloud every half a minute. */
function wait(signal) {
  const began = performance.now();
  let ticks = 0, ended = false;
  const clock = setInterval(async () => {
    let work = "";
    try {
      const health = await (await fetch("/health", { signal })).json();
      if (health.waiting > 1) work = `, ${health.waiting} predictions under way, about ${Math.ceil(health.waiting * health.seconds_per_prediction)} s for all`;
    } catch { /* told by the prediction itself */ }
    if (signal.aborted || ended) return;
    const seconds = Math.round((performance.now() - began) / 1000);
    if (++ticks % 30 === 0) say(`Still predicting after ${seconds} s${work}.`); else $("clock").textContent = ` ${seconds} s${work}`;
  }, 1000);
  return () => { clearInterval(clock); ended = true; return (performance.now() - began) / 1000; };
}

async function predict() {
  if (!state.image) return;
  const signal = instead("predicting"), again = Boolean($("scores").firstChild) || Boolean(state.scoring && !state.scoring.signal.aborted);
  clearScores(); fail("");
  state.prediction = null;
  if ($("centre-bias").value === "uploaded" && !$("bias-file").files[0]) { $("result").hidden = true; say("Choose the file of the centre bias."); return; }
  say("Predicting…"); $("result").setAttribute("aria-busy", "true");
  const ended = wait(signal);
  try {
    const data = form(); data.append("samples", "50");
    const found = await (await send("/predict", data, signal)).json();
    const seen = state.picture && alike(state.picture, found), picture = seen ? state.picture : await preview(state.image, signal);
    if (signal.aborted) return;
    state.picture = picture; state.size = found;
    if (measure()) { ended(); predict(); return; }
    state.prediction = found; show();
    say(`Predicted in ${ended().toFixed(1)} s.`);
    if (again) score();
  } catch (error) {
    if (!signal.aborted) { fail(error.message); $("result").hidden = true; }
  } finally {
    ended();
    if (!signal.aborted) $("result").removeAttribute("aria-busy");
  }
}

function element(kind, attributes, text) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function draw() {
  const found = state.prediction; if (!found) return;
  const lines = $("lines"), unit = Math.max(found.width, found.height) / 120;
  lines.setAttribute("viewBox", `-0.5 -0.5 ${found.width} ${found.height}`);
  lines.setAttribute("preserveAspectRatio", "none");
  lines.replaceChildren();
  if ($("show-contours").checked) for (const level of found.contours) for (const line of level) lines.append(element("polyline", { points: line.join(" "), class: "contour" }));
  if ($("show-samples").checked) for (const [x, y] of found.samples) lines.append(element("circle", { cx: x, cy: y, r: unit * 0.7, class: "sample" }));
  if ($("show-places").checked) found.places.forEach((place, n) => {
    lines.append(element("circle", { cx: place.x, cy: place.y, r: place.radius, class: "place" }));
    lines.append(element("text", { x: place.x, y: place.y, "font-size": unit * 2.6, "stroke-width": unit * 0.4, class: "place-name" }, n + 1));
  });
  for (const [x, y] of state.points) lines.append(element("circle", { cx: x, cy: y, r: unit * 0.9, class: "fixation" }));
}

function fit(found) {
  const enlarged = Math.max(1, SMALL / Math.max(found.width, found.height)), stack = $("stack");
  stack.style.setProperty("--width", `${Math.round(found.width * enlarged)}px`);
  stack.style.setProperty("--ratio", found.width / found.height);
  $("picture").classList.toggle("enlarged", enlarged > 2);
}

function described(found) {
  const model = state.models.find((each) => each.name === found.model);
  return `${model?.title ?? found.model}, centre bias ${found.centre_bias}`;
}

function show() {
  const found = state.prediction;
  fit(found);
  $("picture").hidden = $("unseen").hidden = true;
  if (state.picture) { $("picture").src = state.picture.address; $("picture").hidden = false; } else $("unseen").hidden = false;
  $("heat").src = found.heat;
  $("note").textContent = `${described(found)}, ${found.width} × ${found.height} pixels; ${found.note}.`;
  $("places").replaceChildren(...found.places.map((place, n) => row([n + 1, place.x, place.y, `${(100 * place.probability).toFixed(1)} %`])));
  $("result").hidden = false; draw();
}

function row([name, ...cells]) {
  const made = document.createElement("tr"), head = document.createElement("th");
  head.scope = "row"; head.textContent = name; made.append(head);
  for (const cell of cells) { const one = document.createElement("td"); one.textContent = cell; made.append(one); }
  return made;
}

function fill() {
  const model = state.models.find((each) => each.name === $("model").value); if (!model) return;
  const bias = $("centre-bias");
  for (const option of bias.options) option.disabled = option.hidden = !model.centre_bias.includes(option.value);
  if (bias.selectedOptions[0].disabled) bias.value = [...bias.options].find((option) => !option.disabled).value;
  $("bias-label").hidden = bias.value !== "uploaded";
  $("citation").textContent = cited(model);
}

const software = () => `deepgaze-benchmark ${state.version}`.trim();

function cited(model) {
  const said = [model.title, model.summary].filter(Boolean).join(": ");
  return [said, model.citation, `Predicted by ${software()}`].filter(Boolean).map((part) => `${part}.`).join(" ");
}

/** BibTeX of a model, whose citation reads "Authors year, where", and of this software. */
function bibtex(model) {
  const parts = /^(.*\S) (\d{4}), (.*)$/.exec(model.citation);
  const entry = (kind, key, fields) => `@${kind}{${key},\n${fields.map(([name, value]) => `  ${name} = {${value}},\n`).join("")}}\n`;
  const paper = parts
    ? [["author", parts[1].split(/, | and /).join(" and ")], ["title", `{${model.title}}`], ["year", parts[2]], ["howpublished", parts[3]]]
    : [["title", `{${model.title}}`], ["note", model.citation || model.summary]];
  const program = [["author", "{the deepgaze-benchmark authors}"], ["title", "{deepgaze-benchmark}"], ["version", state.version], ["note", `Model ${model.name}`]];
  return `${entry("misc", model.name, paper)}\n${entry("software", "deepgaze-benchmark", program)}`;
}

async function copyCitation() {
  try {
    await navigator.clipboard.writeText($("citation").textContent);
    $("copied").textContent = "Copied.";
  } catch { // no clipboard for pages without TLS beyond this machine
    getSelection().selectAllChildren($("citation"));
    $("copied").textContent = "Selected: copy it with the keyboard.";
  }
}

function clearScores() {
  state.scoring?.abort(); $("scores").replaceChildren(); fail("", "score-error");
}

function clearFixations() {
  clearScores();
  $("fixations").value = ""; $("fixation-file").value = ""; state.points = [];
  draw();
}

async function score() {
  if (!state.image) return;
  const signal = instead("scoring"), text = $("fixations").value;
  fail("", "score-error");
  const data = form();
  if (new Blob([text]).size > FIELD) data.append("fixations_file", new Blob([text]), "fixations.csv"); else data.append("fixations", text);
  try {
    const found = await (await send("/score", data, signal)).json();
    if (signal.aborted) return;
    state.points = found.fixations ?? state.points; draw();
    $("scores").replaceChildren(scores(found));
  } catch (error) {
    if (signal.aborted) return;
    $("scores").replaceChildren(); fail(error.message, "score-error");
  } finally { if (state.scoring?.signal === signal) state.scoring = null; }
}

function scores(found) {
  const number = (value) => (value === null ? "−∞" : value.toFixed(3).replace("-", "−"));
  const table = document.createElement("table"), caption = document.createElement("caption"), body = document.createElement("tbody");
  const drawn = found.fixations && found.fixations.length < found.n_fixations ? `, the first ${found.fixations.length} of them drawn` : "";
  caption.textContent = `${found.n_fixations} fixation${found.n_fixations === 1 ? "" : "s"} under ${described(found)}${drawn}`;
  for (const [name, value] of [["Information gain over the centre bias, bit/fixation", found.IG], ["Log-likelihood over uniform, bit/fixation", found.LL], ["NSS", found.NSS], ["AUC", found.AUC]]) body.append(row([name, number(value)]));
  table.append(caption, body);
  return table;
}

/** Adds a fixation below those typed, in the columns of their header. */
function addFixation(x, y) {
  const text = $("fixations").value.trim() || "x,y";
  const header = text.split("\n")[0].split(",").map((cell) => cell.trim().replace(/^\ufeff?"?|"$/g, "").toLowerCase());
  const cells = header.includes("x") && header.includes("y") ? header.map((name) => ({ x, y })[name] ?? "") : [x, y];
  $("fixations").value = `${text}\n${cells.join(",")}`;
  state.points = [...state.points, [x, y]];
  draw(); score();
}

function save(blob, name) {
  const address = URL.createObjectURL(blob), link = document.createElement("a");
  link.href = address; link.download = name; link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function download(format) {
  const data = form(); data.append("format", format);
  fail("", "download-error");
  try { save(await (await send("/predict", data)).blob(), `prediction.${format}`); } catch (error) { fail(error.message, "download-error"); }
}

async function example(name) {
  const signal = instead("choosing");
  try {
    const answer = await fetch(`/examples/${name}`, { signal });
    if (!answer.ok) throw new Error(await detail(answer));
    const blob = await answer.blob();
    if (!signal.aborted) setImage(blob, name);
  } catch (error) { if (!signal.aborted) fail(error.message); }
}

$("file").addEventListener("change", () => { const file = $("file").files[0]; if (file) setImage(file, file.name); });
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); const file = event.dataTransfer.files[0]; if (file) setImage(file, file.name); });
document.addEventListener("paste", (event) => { const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/")); if (file) setImage(file, "pasted"); });
$("predict").addEventListener("click", predict);
for (const id of ["model", "centre-bias"]) $(id).addEventListener("change", () => { fill(); predict(); });
$("bias-file").addEventListener("change", predict);
$("ppd").addEventListener("change", () => { $("distance").value = $("screen").value = ""; predict(); });
for (const id of ["distance", "screen"]) $(id).addEventListener("change", () => { if (measure()) predict(); });
$("opacity").addEventListener("input", () => { $("heat").style.opacity = $("opacity").value / 100; });
for (const id of ["show-contours", "show-samples", "show-places"]) $(id).addEventListener("input", draw);
$("stack").addEventListener("click", (event) => {
  const found = state.prediction; if (!found) return;
  const box = $("stack").getBoundingClientRect();
  const place = (at, size) => Math.min(size - 1, Math.max(0, Math.floor(at * size)));
  addFixation(place((event.clientX - box.left) / box.width, found.width), place((event.clientY - box.top) / box.height, found.height));
});
$("fixations").addEventListener("input", () => { clearScores(); state.points = []; draw(); });
$("fixation-file").addEventListener("change", async () => { const file = $("fixation-file").files[0]; if (file) { $("fixations").value = await file.text(); state.points = []; draw(); score(); } });
$("score").addEventListener("click", score);
$("clear").addEventListener("click", clearFixations);
$("copy").addEventListener("click", copyCitation);
$("bibtex").addEventListener("click", () => save(new Blob([bibtex(state.models.find((each) => each.name === $("model").value))], { type: "application/x-bibtex" }), "citation.bib"));
for (const button of document.querySelectorAll("[data-format]")) button.addEventListener("click", () => download(button.dataset.format));
$("heat").style.opacity = 0.8;

(async () => {
  try {
    const [models, health, examples] = await Promise.all(["/models", "/health", "/examples"].map(async (address) => (await fetch(address)).json()));
    Object.assign(state, { models, version: health.version });
    for (const model of models) { const option = document.createElement("option"); option.value = model.name; option.textContent = model.title; $("model").append(option); }
    fill();
    for (const name of examples) {
      const button = document.createElement("button"); button.type = "button"; button.textContent = name;
      button.addEventListener("click", () => example(name));
      $("examples").append(button, " ");
    }
  } catch { fail("The server cannot be reached."); }
})();
