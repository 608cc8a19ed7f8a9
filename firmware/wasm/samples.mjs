// Runs a module over many inputs through the npm package's index.js: in node (run.mjs) and in a browser (browser.html).

/** {outputs, trace}: bytes of every sample, one after another.  source: see load(); inputs: Uint8Array of whole samples. */
export async function runSamples({ load, metadata }, source, inputs) {
  const outputs = [];
  const trace = [];
  const heard = (step, row, at, count) => {
    trace.push(new Uint8Array(Int32Array.of(step, row, count).buffer), copied(new Uint8Array(model.memory.buffer, at, count)));
  };
  const model = await load(source, { env: { [`${metadata.name}_trace`]: heard } });
  for (let at = 0; at < inputs.length; ) {
    for (const { key, elements } of metadata.inputs) {
      const view = model.row ?? model.inputs[key];
      const end = at + elements * view.BYTES_PER_ELEMENT;
      for (; model.row && at < end; at += view.byteLength) {
        model.pushRow(new view.constructor(inputs.slice(at, at + view.byteLength).buffer));
      }
      if (!model.row) bytesOf(view).set(inputs.subarray(at, end));
      at = end;
    }
    model.run?.();
    outputs.push(...Object.values(model.outputs).map((view) => copied(bytesOf(view))));
  }
  return { outputs: joined(outputs), trace: joined(trace) };
}

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const copied = (bytes) => bytes.slice();

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
