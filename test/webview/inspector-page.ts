// The inspector's page in a real browser without VS Code: the page of the extension with its real policy, the colours of a
// real theme, and a host that is a function of the test. Used by the browser tests and for screenshots.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { CHROMIUM_FLAGS, ensureChromium } from '../../scripts/chromium.mjs';
import { inspectorHtml } from '../../src/extension/inspector/inspector-html.js';
import type {
  FromInspector,
  InspectorRequest,
  InspectorResponse,
  ToInspector,
} from '../../src/protocol/inspector-protocol.js';
import type { ErrorData } from '../../src/core/problem.js';

const root = path.resolve(import.meta.dirname, '../..');
export const THEMES = ['dark-modern', 'light-modern', 'high-contrast', 'high-contrast-light'] as const;
export type Theme = (typeof THEMES)[number];

/** The styles VS Code gives every webview, as far as they concern layout. */
const DEFAULT_STYLES = `@layer vscode-default {
  html { scrollbar-color: var(--vscode-scrollbarSlider-background) var(--vscode-editor-background); }
  body { overscroll-behavior-x: none; background-color: transparent; color: var(--vscode-editor-foreground);
    font-family: var(--vscode-font-family); font-size: var(--vscode-font-size); margin: 0; padding: 0 20px; }
}`;

export interface Bundle {
  readonly script: string;
  readonly style: string;
}

/** The bundle as it ships. */
export async function bundleInspector(): Promise<Bundle> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['webview/inspector.ts'],
    outdir: 'out/webview-test',
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
  });
  const text = (extension: string) => outputFiles.find(file => file.path.endsWith(extension))?.text ?? '';
  return { script: text('.js'), style: text('.css') };
}

type Reply = InspectorResponse | ErrorData | undefined;
export type Answer = (request: InspectorRequest) => Reply | Promise<Reply>;

export interface OpenOptions {
  readonly theme?: Theme;
  /** The operating system replaces all colours (Windows contrast themes). */
  readonly forcedColors?: 'active';
  readonly width?: number;
  readonly height?: number;
  /** What the host sends when the page is ready. */
  readonly first?: readonly ToInspector[];
  /** undefined: no answer. */
  readonly answer?: Answer;
  /** State kept from an earlier life of the editor. */
  readonly state?: unknown;
}

export interface InspectorPage {
  readonly page: Page;
  /** Messages of the page other than requests. */
  readonly sent: FromInspector[];
  /** What the browser refused or complained about: policy violations, errors, failed loads. */
  readonly complaints: string[];
  /** Everything the page loaded. */
  readonly loaded: string[];
  send(message: ToInspector): Promise<void>;
  state(): Promise<unknown>;
  close(): Promise<void>;
}

export class InspectorBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly server: Server,
    private readonly origin: string,
    readonly bundle: Bundle,
  ) {}

  static async launch(): Promise<InspectorBrowser> {
    const { path: executablePath, reason } = await ensureChromium();
    if (executablePath === undefined) throw new Error(reason);
    const bundle = await bundleInspector();
    const server = createServer((request, response) => {
      const resource = resourceOf(request.url ?? '/', `http://${request.headers.host ?? ''}`, bundle);
      if (!resource) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': resource.type }).end(resource.body);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const browser = await chromium.launch({ executablePath, headless: true, args: CHROMIUM_FLAGS });
    return new InspectorBrowser(browser, server, `http://127.0.0.1:${port}`, bundle);
  }

  async open(options: OpenOptions = {}): Promise<InspectorPage> {
    const { theme = 'dark-modern', width = 1280, height = 800 } = options;
    const context = await this.browser.newContext({
      viewport: { width, height },
      reducedMotion: 'reduce',
      forcedColors: options.forcedColors ?? 'none',
    });
    const page = await context.newPage();
    const sent: FromInspector[] = [];
    const complaints: string[] = [];
    const loaded: string[] = [];
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(String(error)));
    page.on('request', request => loaded.push(request.url()));
    const send = (message: ToInspector) =>
      page.evaluate(json => {
        window.postMessage(JSON.parse(json));
      }, JSON.stringify(message));
    await page.exposeFunction('hostReceives', async (message: FromInspector) => {
      if (message.type !== 'request') sent.push(message);
      if (message.type === 'ready') for (const first of options.first ?? []) void send(first);
      if (message.type !== 'request') return;
      const { id } = message;
      const answer = await options.answer?.(message.request);
      if (answer)
        void send(
          'code' in answer ? { type: 'response', id, error: answer } : { type: 'response', id, result: answer },
        );
    });
    const colours = JSON.parse(readFileSync(path.join(import.meta.dirname, `themes/${theme}.json`), 'utf8')) as unknown;
    await page.addInitScript(prepareWindow, { ...(colours as Colours), styles: DEFAULT_STYLES, state: options.state });
    await page.goto(this.origin);
    return {
      page,
      sent,
      complaints,
      loaded,
      send,
      state: () => page.evaluate(() => (window as unknown as { storedState: unknown }).storedState),
      close: () => context.close(),
    };
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.close();
  }
}

interface Colours {
  readonly bodyClass: string;
  readonly kind: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** Runs in the page before its scripts: what VS Code does to a webview. */
function prepareWindow({
  bodyClass,
  kind,
  variables,
  styles,
  state,
}: Colours & { styles: string; state: unknown }): void {
  const world = window as unknown as {
    storedState: unknown;
    hostReceives: (message: unknown) => void;
    acquireVsCodeApi: unknown;
  };
  world.storedState = state;
  world.acquireVsCodeApi = () => ({
    postMessage: (message: unknown) => {
      world.hostReceives(structuredClone(message));
    },
    getState: () => world.storedState,
    setState: (next: unknown) => {
      world.storedState = structuredClone(next);
    },
  });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  document.addEventListener('readystatechange', () => {
    document.adoptedStyleSheets = [sheet];
    for (const [name, value] of Object.entries(variables)) document.documentElement.style.setProperty(name, value);
    document.body.className = bodyClass;
    document.body.dataset['vscodeThemeKind'] = kind;
  });
}

function resourceOf(url: string, origin: string, bundle: Bundle): { type: string; body: string | Buffer } | undefined {
  const codicons = (name: string) => readFileSync(path.join(root, 'node_modules/@vscode/codicons/dist', name));
  switch (url.split('?')[0]) {
    case '/':
      return {
        type: 'text/html',
        body: inspectorHtml({
          cspSource: origin,
          script: '/inspector.js',
          style: '/inspector.css',
          icons: '/codicon.css',
          nonce: 'bm9uY2Utb2YtdGhlLXRlc3Q',
        }),
      };
    case '/inspector.js':
      return { type: 'text/javascript', body: bundle.script };
    case '/inspector.css':
      return { type: 'text/css', body: bundle.style };
    case '/codicon.css':
      return { type: 'text/css', body: codicons('codicon.css') };
    case '/codicon.ttf':
      return { type: 'font/ttf', body: codicons('codicon.ttf') };
    case '/favicon.ico':
      return { type: 'image/x-icon', body: '' };
    default:
      return undefined;
  }
}
