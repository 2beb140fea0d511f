// Draws a part again only when what it shows has changed.

import { Component, h, type ComponentType } from 'preact';

export function memo<P extends object>(part: (props: P) => preact.ComponentChildren, same: (before: P, after: P) => boolean): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !same(this.props as P, next as P);
    }
    override render() {
      return h(part as ComponentType<P>, this.props as P);
    }
  };
}
