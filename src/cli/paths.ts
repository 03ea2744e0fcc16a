// Paths as the user typed them, against the folder the command was started in.
import path from 'node:path';

export function resolveFrom(cwd: string, file: string): string {
  return path.resolve(cwd, file);
}
