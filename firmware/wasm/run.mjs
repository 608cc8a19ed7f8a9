// Runs a module over files in node: node run.mjs INDEX.mjs MODULE.wasm INPUTS OUTPUTS TRACE.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { runSamples } from "./samples.mjs";

const [index, module, inputs, outputs, trace] = process.argv.slice(2);
const found = await runSamples(await import(pathToFileURL(index)), readFileSync(module), new Uint8Array(readFileSync(inputs)));
writeFileSync(outputs, found.outputs);
writeFileSync(trace, found.trace);
