// The elements that index.html promises, and new ones made in one line.

export function part<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return found as Kind;
}

export function made<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]> & { extra?: Record<string, string> } = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const { extra, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(extra ?? {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Change a text only when it is another one: a screen reader need not hear it again. */
export function say(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
