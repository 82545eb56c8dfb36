/** What one tick has to say; the first remark becomes the note. */
export class Remarks {
  #first: string | null = null

  get first(): string | null {
    return this.#first
  }

  add(text: string | null): void {
    this.#first ??= text
  }

  clear(): void {
    this.#first = null
  }
}
