import { cleanText } from '../untrusted-json.ts'

/** What `stub_status` says (https://nginx.org/en/docs/http/ngx_http_stub_status_module.html). */
export interface StubStatus {
  /** Open connections of clients, waiting ones among them. */
  readonly active: number
  readonly accepts: number
  /** Below `accepts` only where a limit was reached, for example `worker_connections`. */
  readonly handled: number
  readonly requests: number
  readonly reading: number
  readonly writing: number
  /** Kept-alive, without a request. */
  readonly waiting: number
}

/** Programs made of nginx add numbers of their own to the second line. */
const STUB_STATUS =
  /^Active connections: {1,8}(\d{1,15})\s{1,8}server accepts handled requests[a-z_ ]{0,80}\s{1,8}(\d{1,15}) {1,8}(\d{1,15}) {1,8}(\d{1,15})[\d ]{0,80}\s{1,8}Reading: {1,8}(\d{1,15}) {1,8}Writing: {1,8}(\d{1,15}) {1,8}Waiting: {1,8}(\d{1,15})\s{0,8}$/

/** Reads the page, or says what is there instead. */
export const readStubStatus = (text: string): StubStatus | string => {
  const match = STUB_STATUS.exec(text)
  if (match !== null) {
    const [active, accepts, handled, requests, reading, writing, waiting] = match.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    return { active, accepts, handled, requests, reading, writing, waiting }
  }
  const begin = text.trimStart()
  if (begin === '') return 'the answer is no stub_status page: it is empty'
  const what = /^</.test(begin) ? ': it is HTML or XML' : /^[[{]/.test(begin) ? ': it is JSON' : ''
  return `the answer is no stub_status page${what}; it begins with ${JSON.stringify(cleanText(begin.slice(0, 40)))}`
}
