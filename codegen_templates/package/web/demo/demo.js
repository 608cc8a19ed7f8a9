// A page to try a model of edgec: its samples, an image or a file of numbers of one's own.
// SPDX-License-Identifier: MIT-0 (this generated file is yours; no conditions)
import { dequantize, load, metadata, variant } from "../index.js";
import samples from "./samples.js";

const TOP = 5;
const CURVE = "#5b8def"; // seen on light and on dark
const RATE = 16000;
const AUDIO = [4000, 32768]; // elements of a vector that may be a piece of sound; an analyser keeps no more
const at = (id) => document.getElementById(id);
const made = (tag, text = "") => Object.assign(document.createElement(tag), { textContent: text });
const count = (number) => number.toLocaleString("en");

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

/** Draws real values: an image as itself, other tensors as a curve. */
function draw(canvas, values, [low, high]) {
  const share = (value) => (value - low) / (high - low || 1);
  canvas.width = image ? image.width : 224;
  canvas.height = image ? image.height : 96;
  const context = canvas.getContext("2d");
  if (image) {
    const picture = context.createImageData(image.width, image.height);
    for (let i = 0; i < image.width * image.height; i++) {
      const pixel = [0, 1, 2].map((c) => values[place(Math.floor(i / image.width), i % image.width, c % image.channels)]);
      picture.data.set([...pixel.map((value) => 255 * share(value)), 255], 4 * i);
    }
    context.putImageData(picture, 0, 0);
    return;
  }
  context.strokeStyle = CURVE;
  context.beginPath();
  values.forEach((value, i) => {
    context.lineTo((canvas.width * (i + 0.5)) / values.length, canvas.height * (0.95 - 0.9 * share(value)));
  });
  context.stroke();
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
  if (image) return fromPicture(await createImageBitmap(file));
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
  const pages = model.memory.buffer.byteLength / 65536;
  const figures = [
    ["time", `${duration(() => model.predict(...given))}, median`, "time"],
    ["memory", `${count(pages)} ${pages === 1 ? "page" : "pages"} of 64 KiB, arena ${count(metadata.arenaBytes)} B`, "memory"],
    ["weights", `${count(metadata.weightBytes)} B`],
    ["multiply-accumulates", count(metadata.macs)],
    ["module", variant()],
  ];
  at("figures").replaceChildren(
    ...figures.flatMap(([term, text, id]) => [made("dt", term), Object.assign(made("dd", text), id ? { id } : {})]),
  );
}

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
    item.append(bar, made("span", `class ${i}`), made("span", shares ? `${(100 * values[i]).toFixed(1)} %` : values[i].toFixed(3)));
    list.append(item);
  }
  return [made("h3", `${entry.name}, the highest ${best.length} of ${count(values.length)}`), list];
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
  at("file").accept = image ? "image/*" : ".csv,.txt,.json,text/*";
  at("file").addEventListener("change", tried((event) => takeFile(event.target.files)));
  at("hint").textContent = image ? "Drop an image here, or choose one" : `Drop a file of ${count(tensor.elements)} numbers here, or choose one`;
  at("mapping").hidden = !image;
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
  at("about").textContent = `${metadata.inputs.map((entry) => `${entry.dtype} ${entry.shape.join("×")}`).join(", ")}, in this browser, by edgec ${metadata.edgec}`;
  model = await load();
  bytes = await (await fetch("samples.bin")).arrayBuffer();
  listen();
  for (let i = 0; i < samples.count; i++) offer(i);
  at("samples").firstElementChild.click();
}

start().catch(failed);
