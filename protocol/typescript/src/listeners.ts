// Who wants to be told of what.

export type Unsubscribe = () => void;

/** Listeners of a few named events. One that throws does not keep the others from hearing. */
export class Listeners<Events extends Record<string, unknown[]>> {
  private readonly byName: { [Name in keyof Events]?: Set<(...args: Events[Name]) => void> } = {};

  add<Name extends keyof Events>(name: Name, listener: (...args: Events[Name]) => void): Unsubscribe {
    const listeners = (this.byName[name] ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  tell<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
    for (const listener of this.byName[name] ?? []) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // where window.onerror and the like find it
        });
      }
    }
  }
}
