"use strict";
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const state = { image: null, models: [], prediction: null, request: 0 };

function say(text) { $("status").textContent = text; }
function fail(text) { $("error").textContent = text; $("error").hidden = !text; if (text) say(""); }

async function detail(answer) {
  try { return (await answer.json()).detail; } catch { return `The server answered ${answer.status}.`; }
}

function setImage(blob, name) {
  fail("");
  if (state.address) URL.revokeObjectURL(state.address);
  state.image = blob; state.address = URL.createObjectURL(blob); state.prediction = null;
  $("result").hidden = true; $("predict").disabled = false; $("fixations").value = ""; $("scores").replaceChildren();
  say(`Image: ${name}.`);
  predict();
}

function resolution() {
  return $("ppd").value.trim();
}

function form() {
  const data = new FormData();
  data.append("image", state.image, "image");
  data.append("model", $("model").value);
  data.append("centre_bias", $("centre-bias").value);
  if ($("centre-bias").value === "uploaded" && $("bias-file").files[0]) data.append("centre_bias_file", $("bias-file").files[0], "bias");
  if (resolution()) data.append("pixels_per_degree", resolution());
  return data;
}

async function send(address, data) {
  const answer = await fetch(address, { method: "POST", body: data });
  if (!answer.ok) throw new Error(await detail(answer));
  return answer;
}

async function predict() {
  if (!state.image) return;
  if ($("centre-bias").value === "uploaded" && !$("bias-file").files[0]) { say("Choose the file of the centre bias."); return; }
  const number = ++state.request, began = performance.now();
  const ticket = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-");
  fail(""); say("Predicting…");
  const clock = setInterval(async () => {
    const seconds = Math.round((performance.now() - began) / 1000);
    let waiting = "";
    try {
      const found = await fetch(`/progress/${ticket}`);
      if (found.ok) { const far = await found.json(); if (far.ahead) waiting = `, ${far.ahead} before this one, about ${Math.ceil(far.seconds)} s to go`; }
    } catch { /* told below */ }
    if (number === state.request && !state.prediction) say(`Predicting… ${seconds} s${waiting}`);
  }, 1000);
  state.prediction = null;
  try {
    const data = form(); data.append("samples", "50"); data.append("ticket", ticket);
    const found = await (await send("/predict", data)).json();
    if (number !== state.request) return;
    state.prediction = found; show();
    say(`Predicted in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
  } catch (error) {
    if (number === state.request) { fail(error.message === "Failed to fetch" ? "The server cannot be reached." : error.message); $("result").hidden = true; }
  } finally { clearInterval(clock); }
}

function element(kind, attributes, text) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function fixations() {
  return $("fixations").value.split("\n").map((line) => line.split(",").map((cell) => parseFloat(cell))).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
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
  for (const [x, y] of fixations()) lines.append(element("circle", { cx: x, cy: y, r: unit * 0.9, class: "fixation" }));
}

function show() {
  const found = state.prediction;
  $("picture").src = state.address; $("heat").src = found.heat;
  $("note").textContent = `${found.model}, centre bias ${found.centre_bias}, ${found.width} × ${found.height} pixels; ${found.note}.`;
  $("places").replaceChildren(...found.places.map((place, n) => row([n + 1, place.x, place.y, `${(100 * place.probability).toFixed(1)} %`])));
  $("result").hidden = false; draw();
}

function row(cells) {
  const made = document.createElement("tr");
  for (const cell of cells) { const one = document.createElement("td"); one.textContent = cell; made.append(one); }
  return made;
}

function fill() {
  const model = state.models.find((each) => each.name === $("model").value); if (!model) return;
  for (const option of $("centre-bias").options) option.disabled = !model.centre_bias.includes(option.value);
  if ($("centre-bias").selectedOptions[0].disabled) $("centre-bias").value = "on";
  $("bias-label").hidden = $("centre-bias").value !== "uploaded";
  $("citation").textContent = `${model.title}: ${model.summary}.${model.citation ? ` ${model.citation}.` : ""} State the version of this software with it.`;
}

async function score() {
  if (!state.image) return;
  fail("");
  const text = $("fixations").value.trim();
  const data = form(); data.append("fixations", text.toLowerCase().startsWith("x") || text.includes("x,") ? text : `x,y\n${text}`);
  try {
    const found = await (await send("/score", data)).json();
    const number = (value, digits) => (value === null ? "−∞" : value.toFixed(digits));
    const table = document.createElement("table"), caption = document.createElement("caption"), body = document.createElement("tbody");
    caption.textContent = `${found.n_fixations} fixation${found.n_fixations === 1 ? "" : "s"}`;
    for (const [name, value] of [["Information gain over the centre bias, bit/fixation", number(found.IG, 3)], ["Log-likelihood over uniform, bit/fixation", number(found.LL, 3)], ["NSS", number(found.NSS, 3)], ["AUC", number(found.AUC, 3)]]) body.append(row([name, value]));
    table.append(caption, body); $("scores").replaceChildren(table);
  } catch (error) { $("scores").replaceChildren(); fail(error.message); }
}

async function download(format) {
  const data = form(); data.append("format", format);
  try {
    const address = URL.createObjectURL(await (await send("/predict", data)).blob());
    const link = document.createElement("a");
    link.href = address; link.download = `prediction.${format}`; link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) { fail(error.message); }
}

$("file").addEventListener("change", () => { const file = $("file").files[0]; if (file) setImage(file, file.name); });
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); const file = event.dataTransfer.files[0]; if (file) setImage(file, file.name); });
document.addEventListener("paste", (event) => { const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/")); if (file) setImage(file, "pasted"); });
$("predict").addEventListener("click", predict);
$("model").addEventListener("change", () => { fill(); predict(); });
$("centre-bias").addEventListener("change", () => { fill(); predict(); });
$("bias-file").addEventListener("change", predict);
$("ppd").addEventListener("change", predict);
for (const id of ["distance", "screen"]) $(id).addEventListener("change", async () => {
  const distance = parseFloat($("distance").value), width = parseFloat($("screen").value);
  if (!(distance > 0 && width > 0) || !state.image) return;
  const bitmap = await createImageBitmap(state.image);
  $("ppd").value = (bitmap.width / (2 * Math.atan(width / 2 / distance) * 180 / Math.PI)).toFixed(1);
  predict();
});
$("opacity").addEventListener("input", () => { $("heat").style.opacity = $("opacity").value / 100; });
for (const id of ["show-contours", "show-samples", "show-places", "fixations"]) $(id).addEventListener("input", draw);
$("stack").addEventListener("click", (event) => {
  const found = state.prediction; if (!found) return;
  const box = $("picture").getBoundingClientRect();
  const x = Math.min(found.width - 1, Math.floor((event.clientX - box.left) / box.width * found.width)), y = Math.min(found.height - 1, Math.floor((event.clientY - box.top) / box.height * found.height));
  $("fixations").value = `${$("fixations").value.trim() || "x,y"}\n${Math.max(0, x)},${Math.max(0, y)}`;
  draw(); score();
});
$("fixation-file").addEventListener("change", async () => { const file = $("fixation-file").files[0]; if (file) { $("fixations").value = await file.text(); draw(); score(); } });
$("score").addEventListener("click", score);
$("clear").addEventListener("click", () => { $("fixations").value = ""; $("scores").replaceChildren(); draw(); });
for (const button of document.querySelectorAll("[data-format]")) button.addEventListener("click", () => download(button.dataset.format));
$("heat").style.opacity = 0.8;

(async () => {
  try {
    state.models = await (await fetch("/models")).json();
    for (const model of state.models) { const option = document.createElement("option"); option.value = model.name; option.textContent = model.title; $("model").append(option); }
    fill();
    for (const name of await (await fetch("/examples")).json()) {
      const button = document.createElement("button"); button.type = "button"; button.textContent = name;
      button.addEventListener("click", async () => setImage(await (await fetch(`/examples/${name}`)).blob(), name));
      $("examples").append(button, " ");
    }
  } catch { fail("The server cannot be reached."); }
})();
