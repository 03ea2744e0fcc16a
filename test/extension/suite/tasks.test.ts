import assert from 'node:assert/strict';
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as vscode from 'vscode';
import { closeEditors, until, workspaceFile } from './editor.js';
import { suite, suiteTeardown, teardown, test } from './mocha.js';

const RECIPE = 'tinycoder.quant.yaml';
const OUTPUT = 'out/tinycoder-Q4_K_M.gguf';

/** Runs a task to its end and returns the exit code of its process. */
async function exitCode(task: vscode.Task): Promise<number | undefined> {
  let execution: vscode.TaskExecution | undefined;
  const ended: vscode.TaskProcessEndEvent[] = [];
  const listener = vscode.tasks.onDidEndTaskProcess(event => ended.push(event));
  try {
    execution = await vscode.tasks.executeTask(task);
    const end = await until('the task ends', () => ended.find(event => event.execution === execution));
    return end.exitCode;
  } finally {
    listener.dispose();
  }
}

const recipeTask = async (recipe: string): Promise<vscode.Task | undefined> => {
  const tasks = await vscode.tasks.fetchTasks({ type: 'quantsmith' });
  return tasks.find(task => task.definition['recipe'] === recipe);
};

suite('tasks', () => {
  teardown(closeEditors);
  suiteTeardown(() => {
    rmSync(workspaceFile('out'), { recursive: true, force: true });
    for (const name of ['new.quant.yaml', 'wrong.quant.yaml']) rmSync(workspaceFile(name), { force: true });
  });

  test('the recipe of the workspace is a build task that makes its output', async () => {
    const task = await recipeTask(RECIPE);
    assert.ok(task);
    assert.equal(task.name, `run ${RECIPE}`);
    assert.equal(task.group, vscode.TaskGroup.Build);
    assert.deepEqual(task.problemMatchers, ['$quantsmith']);
    rmSync(workspaceFile('out'), { recursive: true, force: true });
    assert.equal(await exitCode(task), 0);
    assert.ok(statSync(workspaceFile(OUTPUT)).size > 1000);
  });

  test('an output that exists makes it fail', async () => {
    const task = await recipeTask(RECIPE);
    assert.ok(task && existsSync(workspaceFile(OUTPUT)));
    assert.notEqual(await exitCode(task), 0);
  });

  test('a recipe that is added becomes a task, one that is removed is none any more', async () => {
    const name = 'new.quant.yaml';
    assert.equal(await recipeTask(name), undefined);
    writeFileSync(workspaceFile(name), 'recipe: 1\n');
    await eventually('the new task', async () => (await recipeTask(name)) !== undefined);
    rmSync(workspaceFile(name));
    await eventually('no task', async () => (await recipeTask(name)) === undefined);
  });

  test('mistakes in a recipe become problems at their place', async () => {
    const name = 'wrong.quant.yaml';
    writeFileSync(workspaceFile(name), 'recipe: 1\nsource: tinycoder-f16.gguf\noutput: wrong.gguf\ntype: Q4_K_X\n');
    await eventually('the task', async () => (await recipeTask(name)) !== undefined);
    const task = await recipeTask(name);
    assert.ok(task);
    assert.equal(await exitCode(task), 2);
    const problem = await until('a problem', () =>
      vscode.languages
        .getDiagnostics(vscode.Uri.file(workspaceFile(name)))
        .find(({ source }) => source === 'quantsmith'),
    );
    assert.match(problem.message, /Q4_K_X/);
    assert.equal(problem.range.start.line, 3);
  });
});

async function eventually(what: string, probe: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`${what}: not within 20 s`);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}
