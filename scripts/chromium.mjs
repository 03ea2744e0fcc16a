// Finds Chromium for the browser tests, and installs Debian's where that is possible (apt-get, as root).
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const find = () => [process.env.CHROMIUM, ...CANDIDATES].find(file => file && existsSync(file));

/** @returns {Promise<{ path?: string, reason?: string }>} where it is, or why there is none */
export async function ensureChromium(log = console.log) {
  const found = find();
  if (found) return { path: found };
  if (!existsSync('/usr/bin/apt-get'))
    return { reason: 'no Chromium, and no apt-get to install it with; set CHROMIUM to a browser' };
  if (process.getuid?.() !== 0) return { reason: 'no Chromium; install it (apt-get install chromium) or run as root' };
  log('installing Chromium with apt-get …');
  try {
    const options = {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    execFileSync('apt-get', ['update', '-qq'], options);
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options);
  } catch (error) {
    return { reason: `Chromium could not be installed: ${error.message}` };
  }
  const installed = find();
  return installed
    ? { path: installed }
    : { reason: 'apt-get installed chromium, but no browser was found at the usual places' };
}

/** The flags every browser test uses: headless, no sandbox (tests run as root in containers), no network of its own. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
