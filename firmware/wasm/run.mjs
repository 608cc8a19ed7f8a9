// Runs a module over files in node: node run.mjs MODULE.wasm PLAN.json INPUTS OUTPUTS TRACE.
// PLAN: {name, inputs: [{function, bytes}], outputs: [...], row_bytes: 0 or bytes of a pushed row}.
import { readFileSync, writeFileSync } from "node:fs";

const [file, planFile, inputsFile, outputsFile, traceFile] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8"));
const trace = [];
let memory;
const heard = (step, row, at, bytes) => {
  trace.push(Buffer.from(Int32Array.of(step, row, bytes).buffer), Buffer.from(memory.buffer.slice(at, at + bytes)));
};
const module = new WebAssembly.Module(readFileSync(file));
const { exports } = new WebAssembly.Instance(module, { env: { [`${plan.name}_trace`]: heard } });
memory = exports.memory;
exports._initialize();
exports[`${plan.name}_init`](0);

const inputs = readFileSync(inputsFile);
const made = [];
const put = (at, data) => new Uint8Array(memory.buffer, at, data.length).set(data);
for (let at = 0; at < inputs.length; ) {
  for (const { function: name, bytes } of plan.inputs) {
    const data = inputs.subarray(at, at + bytes);
    at += bytes;
    if (plan.row_bytes) {
      for (let row = 0; row < bytes; row += plan.row_bytes) {
        put(exports[`${plan.name}_row`](), data.subarray(row, row + plan.row_bytes));
        exports[`${plan.name}_push_row`](exports[`${plan.name}_row`]());
      }
    } else {
      put(exports[name](), data);
    }
  }
  if (!plan.row_bytes) exports[`${plan.name}_run`]();
  for (const { function: name, bytes } of plan.outputs) {
    made.push(Buffer.from(memory.buffer.slice(exports[name](), exports[name]() + bytes)));
  }
}
writeFileSync(outputsFile, Buffer.concat(made));
writeFileSync(traceFile, Buffer.concat(trace));
