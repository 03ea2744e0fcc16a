// The open inspectors, for commands that mean "the model I am looking at" and for tests, which cannot look into a webview:
// each editor records the types of the messages its webview sent.
import type { FromInspector } from '../../protocol/inspector-protocol.js';
import type { ModelDocument } from './model-document.js';

export interface OpenInspector {
  readonly document: ModelDocument;
  /** Types of the messages received from the webview, oldest first; `shown model` and `shown failed` name the view. */
  readonly received: readonly string[];
  readonly isActive: () => boolean;
}

/** More than any test asks for, and a limit for an editor that stays open for weeks. */
const MAX_RECORDED = 200;

export class InspectorRegistry {
  private readonly open = new Set<OpenInspector>();

  get all(): readonly OpenInspector[] {
    return [...this.open];
  }

  /** The inspector that has the focus, if any. */
  get active(): OpenInspector | undefined {
    return this.all.find(inspector => inspector.isActive());
  }

  /** Adds an editor; the returned functions record a message and take the editor out again. */
  add(
    document: ModelDocument,
    isActive: () => boolean,
  ): { record: (message: FromInspector) => void; remove: () => void } {
    const received: string[] = [];
    const inspector: OpenInspector = { document, received, isActive };
    this.open.add(inspector);
    return {
      record: message => {
        received.push(message.type === 'shown' ? `shown ${message.view}` : message.type);
        if (received.length > MAX_RECORDED) received.shift();
      },
      remove: () => {
        this.open.delete(inspector);
      },
    };
  }
}
