// Whether git ignores a file: by the .gitignore files between it and the top of its repository, .git/info/exclude and the user's
// own list. The files are read here, git is not run: in a folder that nobody trusts its configuration may name programs to start.
import { readFile, stat } from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import ignore, { type Ignore } from 'ignore';

/** Rules by hand have some hundred lines; what is larger is no list of them. */
const MOST_BYTES = 1024 * 1024;
const MOST_LEVELS = 100;
/** Case counts where the file system says so; by default on macOS and Windows it does not. */
const OPTIONS = { ignorecase: process.platform === 'darwin' || process.platform === 'win32' };

interface Rules {
  readonly time: number;
  readonly rules: Ignore | undefined;
}

export class GitIgnored {
  /** By the list's path. */
  readonly #lists = new Map<string, Rules>();
  readonly #userList: string;

  constructor(
    userList = path.join(process.env['XDG_CONFIG_HOME'] || path.join(os.homedir(), '.config'), 'git', 'ignore'),
  ) {
    this.#userList = userList;
  }

  /** False for a file outside of any repository. */
  async isIgnored(file: string): Promise<boolean> {
    const top = await repositoryOf(path.dirname(file));
    if (top === undefined) return false;
    // The less they count, the earlier.
    const lists = [
      { folder: top, rules: await this.#rules(this.#userList) },
      { folder: top, rules: await this.#rules(path.join(top, '.git', 'info', 'exclude')) },
    ];
    const names = path.relative(top, file).split(path.sep);
    let at = top;
    for (const [i, name] of names.entries()) {
      lists.push({ folder: at, rules: await this.#rules(path.join(at, '.gitignore')) });
      at = path.join(at, name);
      const isFolder = i < names.length - 1;
      let isIgnored = false;
      for (const { folder, rules } of lists) {
        const relative = path.relative(folder, at).split(path.sep).join('/');
        const result = rules?.test(isFolder ? `${relative}/` : relative);
        if (result?.ignored) isIgnored = true;
        else if (result?.unignored) isIgnored = false;
      }
      // What is in a folder that is ignored cannot be taken out again.
      if (isIgnored) return true;
    }
    return false;
  }

  async #rules(list: string): Promise<Ignore | undefined> {
    const facts = await stat(list).catch(() => undefined);
    if (!facts?.isFile() || facts.size > MOST_BYTES) return undefined;
    const known = this.#lists.get(list);
    if (known?.time === facts.mtimeMs) return known.rules;
    const rules = await readFile(list, 'utf8').then(
      text => ignore.default(OPTIONS).add(text),
      () => undefined,
    );
    this.#lists.set(list, { time: facts.mtimeMs, rules });
    return rules;
  }
}

/** The folder at or above this one that has a `.git`, which is a file in work trees and submodules. */
async function repositoryOf(folder: string): Promise<string | undefined> {
  let at = folder;
  for (let level = 0; level < MOST_LEVELS; level++) {
    if (await stat(path.join(at, '.git')).catch(() => undefined)) return at;
    const above = path.dirname(at);
    if (above === at) return undefined;
    at = above;
  }
  return undefined;
}
