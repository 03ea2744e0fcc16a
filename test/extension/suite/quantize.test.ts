import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { QuantizeOutcome } from '../../../src/extension/quantize/run-quantize.js';
import { closeEditors, exampleModel, extensionApi, scratchFolder, until } from './editor.js';
import { suite, teardown, test } from './mocha.js';

/** As from a keybinding: nothing is asked. */
function quantize(source: string, settings: object): Thenable<QuantizeOutcome | undefined> {
  return vscode.commands.executeCommand('quantsmith.quantize', vscode.Uri.file(source), settings);
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

suite('quantize', () => {
  const scratch = scratchFolder();
  teardown(async () => {
    await vscode.commands.executeCommand('notifications.clearAll');
    await closeEditors();
  });

  const failure = async (source: string, settings: object): Promise<string> => {
    const outcome = await quantize(source, settings);
    assert.equal(outcome?.kind, 'failed', JSON.stringify(outcome));
    return outcome.error.code;
  };

  test('makes a model that the inspector opens', async () => {
    const api = await extensionApi();
    const output = path.join(scratch, 'tinycoder-Q4_K_M.gguf');
    const outcome = await quantize(exampleModel(), { fileType: 'Q4_K_M', output });
    assert.equal(outcome?.kind, 'done', JSON.stringify(outcome));
    const { report } = outcome;
    assert.equal(report.output, output);
    assert.equal(statSync(output).size, report.byteLength);
    assert.ok(report.byteLength < statSync(exampleModel()).size / 2);
    // What the report says of a tensor is what lies in the file.
    assert.ok(report.tensors.length > 10 && report.tensors.every(({ sha256 }) => /^[0-9a-f]{64}$/.test(sha256)));
    const { state } = api.worker();
    assert.ok(
      (state.kind === 'idle' || state.kind === 'busy') && state.status.backend === report.backend,
      JSON.stringify(state),
    );
    await vscode.commands.executeCommand('quantsmith.openModel', vscode.Uri.file(output));
    const opened = await until('the result is open', () => api.inspectors().find(({ state }) => state === 'model'));
    assert.equal(opened.tensorCount, report.tensors.length);
  });

  test('does not replace an output that exists, unless told to', async () => {
    const output = path.join(scratch, 'existing.gguf');
    writeFileSync(output, 'mine');
    await failure(exampleModel(), { fileType: 'Q8_0', output });
    assert.equal(readFileSync(output, 'utf8'), 'mine');
    const outcome = await quantize(exampleModel(), { fileType: 'Q8_0', output, overwrite: true });
    assert.equal(outcome?.kind, 'done', JSON.stringify(outcome));
    assert.ok(statSync(output).size > 1000);
  });

  test('never writes over its source', async () => {
    const before = sha256(exampleModel());
    await failure(exampleModel(), { fileType: 'Q8_0', output: exampleModel(), overwrite: true });
    assert.equal(sha256(exampleModel()), before);
  });

  test('says what is wrong with the arguments', async () => {
    assert.equal(await failure(exampleModel(), { fileType: 8 }), 'usage/arguments');
    await failure(exampleModel(), { fileType: 'Q4_K_X', output: path.join(scratch, 'x.gguf') });
    await failure(path.join(scratch, 'none.gguf'), { fileType: 'Q8_0' });
    // A folder that is missing is made; a file in its place is not replaced by one.
    writeFileSync(path.join(scratch, 'blocked'), '');
    await failure(exampleModel(), { fileType: 'Q8_0', output: path.join(scratch, 'blocked/x.gguf') });
    assert.equal(existsSync(path.join(scratch, 'x.gguf')), false);
  });

  test('survives a worker that is killed in the middle of a job, and works again', async () => {
    const api = await extensionApi();
    const output = path.join(scratch, 'killed.gguf');
    // The worker runs before the job starts, so that the kill meets the job and not the start.
    await quantize(exampleModel(), { fileType: 'Q8_0', output: path.join(scratch, 'warm.gguf') });
    const { pid } = api.worker();
    assert.ok(pid !== undefined);
    const job = quantize(exampleModel(), { fileType: 'Q4_K_M', output });
    await until('the job runs', () => api.job());
    process.kill(pid, 'SIGKILL');
    const outcome = await job;
    assert.equal(outcome?.kind, 'failed', JSON.stringify(outcome));
    assert.match(outcome.error.code, /^worker\//);
    assert.equal(existsSync(output), false);
    assert.equal(api.worker().state.kind, 'crashed');
    assert.match(api.statusText(), /warning/);
    assert.equal(api.job(), undefined);

    const again = await quantize(exampleModel(), { fileType: 'Q4_K_M', output });
    assert.equal(again?.kind, 'done', JSON.stringify(again));
    assert.notEqual(api.worker().pid, pid);
    assert.doesNotMatch(api.statusText(), /warning/);
  });

  test('cancels, and leaves nothing under the name of the output', async () => {
    const api = await extensionApi();
    const output = path.join(scratch, 'cancelled.gguf');
    const job = quantize(exampleModel(), { fileType: 'Q4_K_M', output });
    await until('the job runs', () => api.job());
    await vscode.commands.executeCommand('quantsmith.cancelJob');
    const outcome = await job;
    assert.equal(outcome?.kind, 'cancelled', JSON.stringify(outcome));
    assert.deepEqual(
      readdirSync(scratch).filter(name => name === 'cancelled.gguf'),
      [],
    );
  });

  test('runs one job at a time', async () => {
    const api = await extensionApi();
    const first = quantize(exampleModel(), { fileType: 'Q4_K_M', output: path.join(scratch, 'first.gguf') });
    await until('the job runs', () => api.job());
    const second = await quantize(exampleModel(), { fileType: 'Q4_K_M', output: path.join(scratch, 'second.gguf') });
    assert.ok(second?.kind === 'failed' && second.error.code === 'job/busy', JSON.stringify(second));
    assert.equal((await first)?.kind, 'done');
  });

  test('restarts the worker on request', async () => {
    const api = await extensionApi();
    const { pid } = api.worker();
    await vscode.commands.executeCommand('quantsmith.restartWorker');
    await until('a new worker', () => api.worker().pid !== pid && api.worker().state.kind === 'idle');
  });
});
