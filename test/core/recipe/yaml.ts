// The real YAML parser for tests, loaded from the installed packages.
import { copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { YamlParser } from '../../../src/platform/yaml-parser.js';

const MODULES = path.resolve(import.meta.dirname, '../../../node_modules');

let folder: Promise<string> | undefined;
let parser: Promise<YamlParser> | undefined;

/** A folder laid out as dist/tree-sitter is. */
export function treeSitterFolder(): Promise<string> {
  folder ??= (async () => {
    const target = await mkdtemp(path.join(tmpdir(), 'quantsmith-tree-sitter-'));
    await copyFile(
      path.join(MODULES, 'web-tree-sitter/web-tree-sitter.wasm'),
      path.join(target, 'web-tree-sitter.wasm'),
    );
    await copyFile(
      path.join(MODULES, '@tree-sitter-grammars/tree-sitter-yaml/tree-sitter-yaml.wasm'),
      path.join(target, 'tree-sitter-yaml.wasm'),
    );
    return target;
  })();
  return folder;
}

export function yamlParser(): Promise<YamlParser> {
  parser ??= treeSitterFolder().then(from => YamlParser.load(from));
  return parser;
}
