import type { ClientSide, Exchange } from '../http/exchange.ts'
import { answerHead } from '../http/head.ts'

/** An exchange that was answered in the tick in which it began: nothing is held, nothing is awaited. */
export const ANSWERED: Exchange = {
  dialling: false,
  heldBytes: 0,
  requestBytes: () => undefined,
  clientFlushed: () => undefined,
  sweep: () => undefined,
  abandon: () => undefined,
}

/** Answers whole, at once. `fields`: names and values in turn. */
export const answer = (client: ClientSide, status: number, fields: string[], body: Buffer): Exchange => {
  client.respond(answerHead(status, fields, body.length))
  client.body(body)
  client.end()
  return ANSWERED
}

/** Names and values in turn. */
export const fieldsOf = (headers: Readonly<Record<string, string>> = {}): string[] =>
  Object.entries(headers).flat()

/** Answers in one line of text. */
export const answerText = (
  client: ClientSide,
  status: number,
  text: string,
  fields: string[] = [],
): Exchange =>
  answer(client, status, ['Content-Type', 'text/plain; charset=utf-8', ...fields], Buffer.from(`${text}\n`))
