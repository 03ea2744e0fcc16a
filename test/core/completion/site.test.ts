// Where a completion is tried, in one line or several, and what the place is: code, comment, or string.
import { describe, expect, test } from 'vitest';
import { placeAtEnd } from '../../../src/core/completion/code-scan.js';
import { completionSite, type SiteOptions } from '../../../src/core/completion/completion-site.js';
import { looksSecret } from '../../../src/core/completion/private-files.js';

const DEFAULTS: SiteOptions = {
  language: 'python',
  explicit: false,
  inComments: false,
  inStrings: false,
  multiline: 'auto',
};

function site(document: string, options: Partial<SiteOptions> = {}): string {
  const [prefix = '', suffix = ''] = document.split('│');
  const result = completionSite({ prefix, suffix }, { ...DEFAULTS, ...options });
  if (result.kind === 'nothing') return result.why;
  return result.multiline ? 'block' : 'line';
}

describe('a place for a completion', () => {
  test.each([
    ['x = │', 'line'],
    ['def f():\n    │', 'block'],
    ['def f():│', 'block'],
    ['if (a) {│}', 'block'],
    ['call(│)', 'block'],
    ['call(a, │)', 'line'],
    ['x = │ + 1', 'line'],
    ['foo│bar', 'The cursor is inside a word.'],
    ['été│été', 'The cursor is inside a word.'],
    ['    │return x', 'The cursor is before the text of its line.'],
    ['│', 'The file is empty.'],
    ['x = 1  # note │', 'The cursor is in a comment (quantsmith.completions.inComments is off).'],
    ['x = "text │', 'The cursor is in a string (quantsmith.completions.inStrings is off).'],
  ])('%s', (document, expected) => {
    expect(site(document)).toBe(expected);
  });

  test('asked for, there is always one', () => {
    for (const document of ['foo│bar', '    │return x', '│', 'x = 1 # │', 'x = "│']) {
      expect(site(document, { explicit: true }), document).toMatch(/^(line|block)$/);
    }
  });

  test('settings', () => {
    expect(site('x = 1 # │', { inComments: true })).toBe('line');
    expect(site('x = "│"', { inStrings: true })).toBe('line');
    expect(site('def f():│', { multiline: 'never' })).toBe('line');
    expect(site('x = │', { multiline: 'always' })).toBe('block');
    expect(site('x = │ + 1', { multiline: 'always' })).toBe('line');
  });
});

describe('code, comment or string', () => {
  test.each([
    ['python', 'x = 1', 'code'],
    ['python', '# a', 'comment'],
    ['python', '# a\nx', 'code'],
    ['python', "x = 'it", 'string'],
    ['python', "x = 'it\\'s", 'string'],
    ['python', "x = 'it's", 'code'],
    ['python', "x = 'open\ny", 'code'],
    ['python', '"""doc\nmore', 'string'],
    ['python', '"""doc\nmore"""\nx', 'code'],
    ['python', 'url = "http://x" + ', 'code'],
    ['python', 'x = "#"', 'code'],
    ['typescript', 'a(); // b', 'comment'],
    ['typescript', '/* a\n * b', 'comment'],
    ['typescript', '/* a \\*/ x', 'code'],
    ['typescript', '/* a */ x', 'code'],
    ['typescript', 'const s = `a\nb', 'string'],
    ['typescript', 'const s = "// no";', 'code'],
    ['rust', "fn f<'a>(x: &'a str)", 'code'],
    ['lua', '--[[ a\nb', 'comment'],
    ['lua', '-- a\nb', 'code'],
    ['html', '<!-- a', 'comment'],
    ['html', "<p>it's", 'code'],
    ['markdown', "it's # not", 'code'],
    ['brainfuck', '"', 'code'],
  ])('%s: %j is %s', (language, text, expected) => {
    expect(placeAtEnd(text, language)).toBe(expected);
  });
});

test('files that look secret', () => {
  const secret = `.env .env.local prod.env id_rsa id_ed25519.pub server.pem tls.key store.jks .npmrc .netrc credentials
    credentials.json secrets.yaml app-secrets.yml main.tfstate prod.tfvars vault.kdbx service-account.json .PEM
    C:\\Users\\me\\.ssh\\config /home/me/.aws/config /home/me/.gnupg/x`.split(/\s+/);
  const open =
    `.env.example environment.ts main.py keys.ts key.go secret-santa.py credentials.service.ts passwords.test.ts
    README.md .envrc.ts monkey.key.ts id.ts tokens.css`.split(/\s+/);
  expect(secret.filter(path => !looksSecret(path))).toEqual([]);
  expect(open.filter(looksSecret)).toEqual([]);
});
