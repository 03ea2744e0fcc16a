// Where a recipe is taken to be, by its URI and the workspace folder.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { recipePathOf } from '../../src/server/analyses.js';

const WORKSPACE = path.resolve('/work space');
const RECIPE = path.resolve('/work space/sub/ä b.quant.yaml');
const SAVED = pathToFileURL(RECIPE).href;
const STAND_IN = path.join(WORKSPACE, 'untitled.quant.yaml');

test.each([
  ['saved', SAVED, WORKSPACE, RECIPE],
  ['unsaved in a subfolder', SAVED.replace('file://', 'untitled:'), WORKSPACE, RECIPE],
  ['unsaved, with an empty host', SAVED.replace('file:', 'untitled:'), WORKSPACE, RECIPE],
  ['unsaved with a path, without a workspace', SAVED.replace('file://', 'untitled:'), undefined, RECIPE],
  ['unsaved without a path', 'untitled:Untitled-1', WORKSPACE, STAND_IN],
  ['unsaved without a path, without a workspace', 'untitled:Untitled-1', undefined, undefined],
  ['a path that cannot be', 'untitled:/a%2Fb.quant.yaml', WORKSPACE, STAND_IN],
  ['a saved path that cannot be', 'file:///a%2Fb.quant.yaml', WORKSPACE, undefined],
  ['another scheme', 'git:/m/a.quant.yaml', WORKSPACE, STAND_IN],
])('%s: %s', (_what, uri, folder, expected) => {
  expect(recipePathOf(uri, folder)).toBe(expected);
});
