import type { configRoutes } from '../contract/api/config.ts'
import type { ApiOptions } from './context.ts'
import type { Handlers } from './serve.ts'

/** The configuration: what is in force, and what is wrong with a file before it is used. */
export const configHandlers = ({ configuration }: ApiOptions): Handlers<typeof configRoutes> => ({
  getConfig: () => configuration.inForce(),
  async checkConfig({ body }) {
    const problems = configuration.check((await body()).text)
    return { ok: problems.length === 0, problems: [...problems] }
  },
})
