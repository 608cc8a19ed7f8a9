// A page to try a model of edgec: its samples, an image or a file of numbers of one's own.
// SPDX-License-Identifier: MIT-0 (this generated file is yours; no conditions)
import { dequantize, load, metadata, variant } from "../index.js";
import samples from "./samples.js";

const TOP = 5;
const CURVE = "#5b8def"; // seen on light and on dark
const HEAT = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]; // of features, lowest to highest
const LONG = 2; // a grey image so many times as long as wide is a table of features, its longer side time
const RATE = 16000;
const AUDIO = [4000, 32768]; // elements of a vector that may be a piece of sound; an analyser keeps no more
const at = (id) => document.getElementById(id);
const made = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });
const count = (number) => number.toLocaleString("en");
const size = (bytes) => (bytes < 10000 ? `${count(bytes)} B` : `${count(Number((bytes / 1024).toFixed(1)))} KB`);

/** {height, width, channels, first}: how a tensor is an image, first where channels come first; null where it is none. */
function imageShape({ shape }) {
  const sizes = shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  const colours = (n) => n === 1 || n === 3;
  if (sizes.length === 3 && colours(sizes[2])) return { height: sizes[0], width: sizes[1], channels: sizes[2], first: false };
  if (sizes.length === 3 && colours(sizes[0])) return { height: sizes[1], width: sizes[2], channels: sizes[0], first: true };
  return sizes.length === 2 && sizes[0] > 1 ? { height: sizes[0], width: sizes[1], channels: 1, first: false } : null;
}

// The page shows and takes the first input that is an image, else the first one; samples hold all of them.
const shown = Math.max(0, metadata.inputs.findIndex(imageShape));
const tensor = metadata.inputs[shown];
const image = imageShape(tensor);
const features = image?.channels === 1 && Math.max(image.width / image.height, image.height / image.width) >= LONG;
let model, current, bytes;

/** Where channel c of pixel (y, x) is in the input. */
const place = (y, x, c) =>
  image.first ? (c * image.height + y) * image.width + x : (y * image.width + x) * image.channels + c;

/** The inputs of sample `index`, in the model's own types. */
function sample(index) {
  const size = bytes.byteLength / samples.count;
  let start = index * size;
  return metadata.inputs.map((entry) => {
    const view = model.inputs?.[entry.key] ?? model.row;
    const end = start + entry.elements * view.BYTES_PER_ELEMENT;
    const values = new view.constructor(bytes.slice(start, end));
    start = end;
    return values;
  });
}

const real = (values) => Array.from(tensor.scale === null ? values : dequantize(values, tensor), Number);
const level = () => [Number(at("black").value), Number(at("white").value)];

/** Draws real values: an image as itself, features in colours over time, other tensors as a curve. */
function draw(canvas, values, [low, high]) {
  const share = (value) => Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  canvas.className = features ? "features" : image ? "" : "curve";
  if (features) return paint(canvas, Math.max(image.width, image.height), Math.min(image.width, image.height), (x, y, rows) => {
    const [row, column] = image.height > image.width ? [x, rows - 1 - y] : [rows - 1 - y, x];
    return heat(share(values[place(row, column, 0)]));
  });
  if (image) return paint(canvas, image.width, image.height, (x, y) =>
    [0, 1, 2].map((c) => 255 * share(values[place(y, x, c % image.channels)])));
  canvas.width = 640;
  canvas.height = 240;
  const context = canvas.getContext("2d");
  context.strokeStyle = CURVE;
  context.lineWidth = values.length > canvas.width ? 1 : 3;
  context.beginPath();
  values.forEach((value, i) => {
    context.lineTo((canvas.width * (i + 0.5)) / values.length, canvas.height * (0.95 - 0.9 * share(value)));
  });
  context.stroke();
}

/** Makes a canvas of pixels: colour(x, y, height) gives red, green and blue. */
function paint(canvas, width, height, colour) {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    picture.data.set([...colour(i % width, Math.floor(i / width), height), 255], 4 * i);
  }
  context.putImageData(picture, 0, 0);
}

function heat(share) {
  const at = share * (HEAT.length - 1);
  const below = Math.min(HEAT.length - 2, Math.floor(at));
  return HEAT[below].map((value, c) => value + (at - below) * (HEAT[below + 1][c] - value));
}

/** The real values of the input that stand for a picture, cut to the input's proportions. */
function fromPicture(bitmap) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  const scale = Math.max(image.width / bitmap.width, image.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.drawImage(bitmap, (image.width - width) / 2, (image.height - height) / 2, width, height);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const [low, high] = level();
  const values = new Float32Array(tensor.elements);
  for (let i = 0; i < image.width * image.height; i++) {
    const [red, green, blue] = data.subarray(4 * i, 4 * i + 3);
    const pixel = image.channels === 3 ? [red, green, blue] : [0.299 * red + 0.587 * green + 0.114 * blue];
    pixel.forEach((value, c) => {
      values[place(Math.floor(i / image.width), i % image.width, c)] = low + ((high - low) * value) / 255;
    });
  }
  return values;
}

async function fromFile(file) {
  if (image && !features) return fromPicture(await createImageBitmap(file));
  const values = (await file.text()).split(/[^-+.\deE]+/).filter(Boolean).map(Number);
  if (values.length !== tensor.elements) throw new Error(`${file.name} has ${values.length} numbers, the input takes ${tensor.elements}`);
  return values;
}

/** What the microphone hears, as long as the input is: real values from -1 to 1. */
async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const audio = new AudioContext({ sampleRate: RATE });
  try {
    const analyser = new AnalyserNode(audio, { fftSize: AUDIO[1] });
    audio.createMediaStreamSource(stream).connect(analyser);
    await audio.resume();
    const heard = new Float32Array(analyser.fftSize);
    for (const start = audio.currentTime; audio.currentTime - start < tensor.elements / RATE; ) {
      await new Promise(requestAnimationFrame);
      analyser.getFloatTimeDomainData(heard);
      at("level").value = Math.max(...heard.subarray(-RATE / 20).map(Math.abs));
    }
    return heard.slice(-tensor.elements);
  } finally {
    for (const track of stream.getTracks()) track.stop();
    await audio.close();
  }
}

/** Runs the model over `given`, an array for each input, and shows all there is to show. */
function answer(given) {
  current = given;
  const values = given[shown];
  draw(at("picture"), values.constructor === Float32Array || Array.isArray(values) ? Array.from(values) : real(values), level());
  model.reset?.();
  const outputs = model.predict(...given);
  at("outputs").replaceChildren(...metadata.outputs.flatMap((entry) => scores(entry, Array.from(outputs[entry.key], Number))));
  const figures = [
    ["time", duration(() => model.predict(...given)), "an inference, median", "time"],
    ["memory", size(metadata.arenaBytes), `arena; the module has ${size(model.memory.buffer.byteLength)}`, "memory"],
    ["weights", size(metadata.weightBytes), "in the module", "weights"],
    ["work", count(metadata.macs), "multiply-accumulates", "work"],
  ];
  at("figures").replaceChildren(...figures.map(([term, value, note, id]) => {
    const tile = made("div");
    tile.append(made("dt", term), Object.assign(made("dd", value), { id }), Object.assign(made("dd", note), { className: "note" }));
    return tile;
  }));
}

/** What a class is called. */
const named = (i, length) => (samples.labels.length === length ? samples.labels[i] : `class ${i}`);

/** The best of a tensor, with bars: shares where the values are shares, else of their softmax. */
function scores(entry, values) {
  const sum = values.reduce((a, b) => a + b, 0);
  const shares = values.length > 1 && values.every((value) => value >= 0 && value <= 1.01) && Math.abs(sum - 1) < 0.5; // rounded, where quantized
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const whole = powers.reduce((a, b) => a + b, 0);
  const list = made("ol");
  const best = values.map((_, i) => i).sort((a, b) => values[b] - values[a]).slice(0, TOP);
  for (const i of best) {
    const item = made("li");
    item.dataset.class = i;
    const bar = Object.assign(made("span"), { className: "bar" });
    bar.style.width = `${100 * (shares ? values[i] : powers[i] / whole)}%`;
    item.append(bar, made("span", named(i, values.length)), made("span", shares ? `${(100 * values[i]).toFixed(1)} %` : values[i].toFixed(3)));
    list.append(item);
  }
  const title = `${entry.name}, ${values.length > best.length ? `the highest ${best.length} of ${count(values.length)}` : "all values"}`;
  return [made("h3", title), list];
}

/** The median time of a call; clocks of browsers are coarse, so calls are timed by the batch. */
function duration(call) {
  const timed = (calls) => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    return performance.now() - start;
  };
  const calls = Math.ceil(5 / Math.max(0.01, timed(3) / 3));
  const times = Array.from({ length: 9 }, () => timed(calls) / calls).sort((a, b) => a - b);
  const median = times[4];
  return median < 1 ? `${(1000 * median).toFixed(1)} µs` : `${median.toFixed(2)} ms`;
}

function failed(error) {
  at("error").textContent = String(error?.message ?? error);
  at("error").hidden = false;
}

/** What a user did, with its mistakes shown. */
const tried = (action) => async (event) => {
  at("error").hidden = true;
  try {
    await action(event);
  } catch (error) {
    failed(error);
  }
};

function pressed(button) {
  for (const other of at("samples").children) other.setAttribute("aria-pressed", String(other === button));
}

/** Takes the user's own values for the input. */
function take(values) {
  pressed(null);
  answer(Object.assign([...current], { [shown]: values }));
}

async function takeFile([file]) {
  if (file) take(await fromFile(file));
}

function listen() {
  const picture = image && !features;
  at("file").accept = picture ? "image/*" : ".csv,.txt,.json,text/*";
  at("file").addEventListener("change", tried((event) => takeFile(event.target.files)));
  at("hint").textContent = picture ? "Drop an image here, or choose one" : `Drop a file of ${count(tensor.elements)} numbers here, or choose one`;
  at("mapping").hidden = !picture;
  [at("black").value, at("white").value] = samples.ranges[shown];
  at("voice").hidden = image !== null || tensor.elements < AUDIO[0] || tensor.elements > AUDIO[1];
  at("record").textContent = `Record ${(tensor.elements / RATE).toFixed(2)} s`;
  at("record").addEventListener("click", tried(async () => take(await record())));
  const drop = at("drop");
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", tried(async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    await takeFile(event.dataTransfer.files);
  }));
}

function offer(index) {
  const button = made("button");
  const picture = made("canvas");
  button.type = "button";
  button.setAttribute("aria-label", `sample ${index + 1}`);
  draw(picture, real(sample(index)[shown]), samples.ranges[shown]);
  button.append(picture);
  button.addEventListener("click", tried(() => {
    pressed(button);
    answer(sample(index));
  }));
  at("samples").append(button);
}

async function start() {
  document.title = at("name").textContent = metadata.name;
  const about = [...metadata.inputs.map((entry) => `${entry.dtype} ${entry.shape.join("×")}`), `WebAssembly, ${variant()}`, `edgec ${metadata.edgec}`];
  at("about").replaceChildren(...about.map((text) => made("li", text)));
  model = await load();
  bytes = await (await fetch("samples.bin")).arrayBuffer();
  listen();
  for (let i = 0; i < samples.count; i++) offer(i);
  at("samples").firstElementChild.click();
}

start().catch(failed);
