// Who owns what: every resource has one owner, and disposing the owner disposes everything in it, last added first. What
// is added to a disposed owner is disposed at once, so that an activation that ends early leaks nothing.

/** Anything that gives back what it holds; `vscode.Disposable` is one. */
export interface Disposable {
  dispose(): unknown;
}

export class Disposables implements Disposable {
  private items: Disposable[] | undefined = [];

  get isDisposed(): boolean {
    return this.items === undefined;
  }

  add<T extends Disposable>(item: T): T {
    if (this.items === undefined) item.dispose();
    else this.items.push(item);
    return item;
  }

  /** Runs `cleanup` when disposed. */
  onDispose(cleanup: () => void): void {
    this.add({ dispose: cleanup });
  }

  dispose(): void {
    const items = this.items;
    this.items = undefined;
    for (const item of items?.reverse() ?? []) item.dispose();
  }
}
