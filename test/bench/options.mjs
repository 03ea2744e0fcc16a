// The command line of the benchmarks.
import { readFileSync } from 'node:fs';

/**
 * `--key=value` and `--key` (an empty value) of this process; `--help` prints the comment that the file begins with and
 * ends it.
 * @param {string} file the benchmark's own
 * @returns {Record<string, string>}
 */
export function benchmarkOptions(file) {
  const options = Object.fromEntries(
    process.argv.slice(2).map(argument => {
      const [key, value = ''] = argument.replace(/^--/, '').split('=');
      return [key, value];
    }),
  );
  if (options.help === undefined) return options;
  const [text] = readFileSync(file, 'utf8').split('\nimport ');
  console.log(text.replaceAll(/^\/\/ ?/gm, ''));
  process.exit(0);
}
