import type { IncomingMessage, ServerResponse } from 'node:http'
import type { NodeState } from '../../contract/states.ts'
import type { Readiness } from '../part/part.ts'
import { answerError, answerJson } from './public-answer.ts'

export interface OwnAnswersOptions {
  node: string
  region: string
  readiness(): Readiness
  state(): NodeState
  /** Answers end their connections. */
  closing(): boolean
}

const HEALTH_PATHS: ReadonlySet<string> = new Set(['/health', '/healthz/live', '/healthz/ready'])

/** What a public port answers by itself: health, or the reason for a refusal. */
export class OwnAnswers {
  readonly #options: OwnAnswersOptions

  constructor(options: OwnAnswersOptions) {
    this.#options = options
  }

  answer(req: IncomingMessage, res: ServerResponse, path: string): void {
    const close = this.#options.closing()
    if (HEALTH_PATHS.has(path)) {
      this.#answerHealth(req, res, path, close)
    } else if (path === '/tunnel') {
      const sentence = 'A tunnel begins with a WebSocket upgrade: GET /tunnel?hostId=…'
      answerError(res, 'ERR_INVALID', sentence, {}, close)
    } else if (close) {
      answerDraining(res)
    } else {
      answerError(res, 'ERR_NOT_FOUND', 'This relay serves /hosts/:hostId/* and /health')
    }
  }

  #answerHealth(req: IncomingMessage, res: ServerResponse, path: string, close: boolean): void {
    const { node, region } = this.#options
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      answerError(res, 'ERR_METHOD', `${path} answers GET and HEAD`, {}, close)
    } else if (path === '/health') {
      answerJson(res, 200, { ok: true, region, node, state: this.#options.state() }, close)
    } else if (path === '/healthz/live') {
      answerJson(res, 200, { ok: true }, close)
    } else {
      const readiness = this.#options.readiness()
      answerJson(res, readiness.ready ? 200 : 503, readiness, close)
    }
  }
}

/** For requests that come when the relay no longer serves. */
export const answerDraining = (res: ServerResponse): void => {
  answerError(res, 'ERR_DRAINING', 'This relay is draining and takes no new requests', {}, true)
}
