// Entry of the inspector's page: connects the app to VS Code. Nothing is read here but messages of the extension host; no
// network, no storage but the editor's own state.
import './inspector.css';
import { InspectorApp } from './components/inspector-app.js';
import { InspectorHost } from './host.js';
import type { FromInspector, ToInspector } from '../src/protocol/inspector-protocol.js';

declare function acquireVsCodeApi(): {
  postMessage(message: FromInspector): void;
  getState(): unknown;
  setState(state: unknown): void;
};

/** Scrolling changes the state with every frame; it is stored when it pauses. */
const STORE_DELAY_MS = 200;

const api = acquireVsCodeApi();
const host = new InspectorHost(
  message => {
    api.postMessage(message);
  },
  {
    setTimeout: (callback, ms) => window.setTimeout(callback, ms),
    clearTimeout: handle => {
      window.clearTimeout(handle);
    },
  },
);

const app = new InspectorApp();
app.host = host;
app.restore(api.getState());
let storing: number | undefined;
let unsaved: unknown;
function save(): void {
  window.clearTimeout(storing);
  if (unsaved !== undefined) api.setState(unsaved);
  unsaved = undefined;
}
app.store = state => {
  window.clearTimeout(storing);
  unsaved = state;
  storing = window.setTimeout(save, STORE_DELAY_MS);
};
document.body.append(app);

window.addEventListener('message', (event: MessageEvent<ToInspector>) => {
  app.receive(event.data);
});
window.addEventListener('blur', save);
window.addEventListener('pagehide', () => {
  save();
  host.close();
});
host.ready();
