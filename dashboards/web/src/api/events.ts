// Reads server-sent events out of text that comes in pieces.

export interface Message {
  id: string;
  name: string;
  data: string;
}

/** The largest message that is put together, in characters. */
const MESSAGE_MAX = 64 << 20;

/** The parser of one stream. */
export class Events {
  private rest = '';
  private id = '';
  private name = '';
  private data: string[] = [];

  /** The messages that a piece of text completes. */
  read(piece: string): Message[] {
    this.rest += piece;
    if (this.rest.length > MESSAGE_MAX) throw new Error('a message is too large');
    const messages: Message[] = [];
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      // A carriage return at the very end may be half of a line's end.
      if (end < 0 || (this.rest[end] === '\r' && end === this.rest.length - 1)) return messages;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(this.rest.startsWith('\r\n', end) ? end + 2 : end + 1);
      if (line !== '') this.field(line);
      else if (this.data.length > 0) {
        messages.push({ id: this.id, name: this.name || 'message', data: this.data.join('\n') });
        this.clear();
      } else this.clear();
    }
  }

  private clear(): void {
    this.name = '';
    this.data = [];
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') this.id = value;
    if (name === 'event') this.name = value;
    if (name === 'data') this.data.push(value);
  }
}
