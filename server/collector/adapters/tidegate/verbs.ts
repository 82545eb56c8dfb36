import { AppError } from '../../../contract/errors.ts'
import { healthSchema } from '../../../contract/health.ts'
import type { NodeDrainRequest } from '../../../contract/node-api.ts'
import type { Asked, DrainVerbs, Observation } from '../adapter.ts'
import { cleanText, cleanValue } from '../untrusted-json.ts'
import type { Control, ControlAnswer, ControlTarget } from './control.ts'
import { factsOf } from './facts.ts'

const CALL_TIMEOUT_MS = 3_000
/** Binding ports again may take a moment; asked again, a node that resumes goes on with it. */
const RESUME_TIMEOUT_MS = 4_500
const MAX_WHY = 300

/** How a Tidegate node is drained: by its control listener. */
export class TidegateVerbs implements DrainVerbs {
  readonly verb = 'its own drain: POST /drain'
  readonly exits = true
  readonly #control: Pick<Control, 'call'>
  readonly #target: () => ControlTarget

  /** @param target asked for each call: a node may have moved meanwhile */
  constructor(control: Pick<Control, 'call'>, target: () => ControlTarget) {
    this.#control = control
    this.#target = target
  }

  async cordon(order: { drainId: string; reason: string }): Promise<Asked> {
    return this.#ask(
      'POST',
      '/cordon',
      order,
      'refuses to be cordoned',
      ({ status }) =>
        // One that has no relay, or is on its way out already, takes no new tunnels either.
        status < 300 || status === 404 || status === 409,
    )
  }

  drain(order: NodeDrainRequest): Promise<Asked> {
    return this.#ask('POST', '/drain', order, 'refuses to drain', ({ status }) => status < 300)
  }

  resume(): Promise<Asked> {
    const accepts = ({ status }: ControlAnswer) => status === 200
    return this.#ask('POST', '/resume', {}, 'refuses to resume', accepts, RESUME_TIMEOUT_MS)
  }

  async ready(): Promise<Asked> {
    const asked = await this.#ask('GET', '/healthz/ready', undefined, '', ({ status }) => status === 200)
    return asked.kind === 'refused'
      ? { kind: 'refused', why: `${this.#target().id} is serving but not ready yet` }
      : asked
  }

  async observe(): Promise<Observation> {
    try {
      const { status, body } = await this.#call('GET', '/health', undefined, CALL_TIMEOUT_MS)
      const parsed = healthSchema.safeParse(cleanValue(body))
      return status === 200 && parsed.success
        ? { facts: factsOf(parsed.data) }
        : { facts: null, silent: false }
    } catch (error) {
      return { facts: null, silent: true, refused: isRefused(error) }
    }
  }

  async #ask(
    method: string,
    path: string,
    body: unknown,
    refusal: string,
    accepts: (answer: ControlAnswer) => boolean,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<Asked> {
    const { id } = this.#target()
    try {
      const answer = await this.#call(method, path, body, timeoutMs)
      return accepts(answer)
        ? { kind: 'accepted' }
        : { kind: 'refused', why: `${id} ${refusal}: ${messageOf(answer.body)}` }
    } catch (error) {
      const why = error instanceof AppError ? error.message : `${id} does not answer`
      return { kind: 'unheard', why }
    }
  }

  #call(method: string, path: string, body: unknown, timeoutMs: number): Promise<ControlAnswer> {
    return this.#control.call(this.#target(), method, path, body, { timeoutMs })
  }
}

/** Nobody listens there (POSIX `ECONNREFUSED`): the machine is up and says that the process is not. */
const isRefused = (error: unknown): boolean => {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; depth += 1) {
    if ((cause as { code?: unknown }).code === 'ECONNREFUSED') return true
    cause = cause.cause
  }
  return false
}

const messageOf = (body: unknown): string => {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  return typeof error === 'object' && error !== null && 'message' in error
    ? cleanText(String(error.message)).slice(0, MAX_WHY)
    : 'it gave no reason'
}
