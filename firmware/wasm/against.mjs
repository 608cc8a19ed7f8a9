// Times a module of edgec and other runtimes in turns, one thread: node against.mjs PLAN.json RESULT.json.
//
// plan: {rounds, seconds, warmUp, own: {index, module, inputs}, rivals: [{name, modules, model, inputs}]}, where inputs are
// [{name, dtype, shape, file}] and modules is a folder node_modules.
// result: {laps: {name: [[wall, processor], ...]}, outputs: {name: [{name, dtype, shape, data}]}, notes: {name: what is to be said},
// refused: {name: why}}; microseconds.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { runInThisContext } from "node:vm";

const ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float32: Float32Array,
};

// onnxruntime's optimisations, most first, and what is to be said of them: some refuse some sound models.
const LEVELS = { all: "", extended: "without its layouts", basic: "with basic optimisations only" };

// Runtime -> a function that loads its model and gives [one inference, which gives the outputs; what is to be said of it].
const RUNTIMES = { edgec, "onnxruntime-web": onnxruntimeWeb, litert };

async function edgec({ index, module, inputs }) {
  const { load, metadata } = await import(pathToFileURL(index));
  const model = await load(readFileSync(module));
  const given = inputs.map(array);
  const copies = () => Object.values(model.outputs).map((view) => view.slice());
  const described = (data, i) => ({ name: metadata.outputs[i].name, data });
  if (model.row) {
    const [values] = given;
    const push = () => {
      for (let at = 0; at < values.length; at += model.row.length) {
        model.pushRow(values.subarray(at, at + model.row.length));
      }
      return copies().map(described);
    };
    return [push, ""];
  }
  const views = metadata.inputs.map(({ key }) => model.inputs[key]);
  const run = () => {
    given.forEach((values, i) => views[i].set(values));
    model.run();
    return copies().map(described);
  };
  return [run, ""];
}

async function onnxruntimeWeb({ modules, model, inputs }) {
  const { env, InferenceSession, Tensor } = await imported(modules, "onnxruntime-web");
  env.wasm.numThreads = 1;
  env.logLevel = "error";
  const { session, note } = await created(InferenceSession, model);
  const feeds = Object.fromEntries(inputs.map((input) => [input.name, new Tensor(input.dtype, array(input), input.shape)]));
  const run = async () =>
    Object.entries(await session.run(feeds)).map(([name, { data, dims, type }]) => ({ name, data, shape: dims, dtype: type }));
  return [run, note];
}

async function created(InferenceSession, model) {
  let why;
  for (const [graphOptimizationLevel, note] of Object.entries(LEVELS)) {
    try {
      return { session: await InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel }), note };
    } catch (error) {
      why ??= error;
    }
  }
  throw why;
}

// It is written for browsers: what it takes from one is put in its place.
async function litert({ modules, model, inputs }) {
  const { loadLiteRt, loadAndCompile, Tensor } = await imported(modules, "@litertjs/core");
  const wasm = `${modules}/@litertjs/core/wasm/`;
  globalThis.self = globalThis;
  globalThis.__dirname = wasm;
  globalThis.importScripts = (script) => {
    globalThis.require = createRequire(script);
    globalThis.Module = { wasmBinary: readFileSync(script.replace(/\.js$/, ".wasm")) };
    runInThisContext(readFileSync(script, "utf8"), { filename: script });
  };
  await loadLiteRt(wasm);
  const compiled = await loadAndCompile(new Uint8Array(readFileSync(model)), { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
  const details = compiled.getInputDetails();
  if (details.length !== inputs.length) throw new Error(`the model has ${details.length} inputs, the package ${inputs.length}`);
  const given = details.map(({ name, dtype, shape }, i) => {
    const input = inputs.find((other) => other.name === name) ?? inputs[i];
    if (dtype !== input.dtype) throw new Error(`input ${name} is ${dtype}: in node it is given ${input.dtype}`);
    return [laidOut(array(input), input.shape, [...shape]), [...shape]];
  });
  const names = compiled.getOutputDetails();
  const run = async () => {
    const tensors = given.map(([values, shape]) => new Tensor(values, shape));
    const made = await compiled.run(tensors);
    const outputs = made.map((tensor, i) => ({
      name: names[i].name, dtype: names[i].dtype, shape: [...names[i].shape], data: tensor.toTypedArray(),
    }));
    for (const tensor of [...tensors, ...made]) tensor.delete();
    return outputs;
  };
  return [run, ""];
}

const imported = (modules, name) => import(pathToFileURL(createRequire(`${modules}/`).resolve(name)));

function array({ dtype, file }) {
  const bytes = readFileSync(file);
  return new ARRAYS[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

// Planes as pixels, where the shapes say so.
function laidOut(values, [n, c, h, w], shape) {
  if (shape.length !== 4 || String(shape) !== String([n, h, w, c])) return values;
  return values.map((_, i) => values[(Math.floor(i / (h * w * c)) * c + (i % c)) * h * w + (Math.floor(i / c) % (h * w))]);
}

async function lap(run, count) {
  const processor = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const made = run();
    if (made instanceof Promise) await made;
  }
  const wall = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(processor);
  return [wall / count, (user + system) / count];
}

async function measured({ rounds, seconds, warmUp, own, rivals }) {
  const runs = {};
  const outputs = {};
  const notes = {};
  const refused = {};
  for (const entry of [{ name: "edgec", ...own }, ...rivals]) {
    try {
      const [run, note] = await RUNTIMES[entry.name](entry);
      const made = await run();
      outputs[entry.name] = made.map((output) => ({ ...output, data: Array.from(output.data, Number) }));
      runs[entry.name] = run;
      notes[entry.name] = note;
    } catch (error) {
      if (entry.name === "edgec") throw error;
      refused[entry.name] = String(error?.message ?? error);
    }
  }
  const names = Object.keys(runs);
  const laps = Object.fromEntries(names.map((name) => [name, []]));
  const counts = {};
  for (const name of names) {
    let best = Infinity;
    for (const end = performance.now() + warmUp * 1000; performance.now() < end; ) {
      best = Math.min(best, (await lap(runs[name], 1))[0]);
    }
    counts[name] = Math.max(1, Math.round((seconds * 1e6) / Math.max(1, best)));
  }
  for (let turn = 0; turn < rounds; turn++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(turn + i) % names.length];
      laps[name].push(await lap(runs[name], counts[name]));
    }
  }
  return { laps, outputs, notes, refused };
}

const [plan, result] = process.argv.slice(2);
writeFileSync(result, JSON.stringify(await measured(JSON.parse(readFileSync(plan, "utf8")))));
process.exit(0); // runtimes may keep workers
