import type { demoRoutes } from '../contract/api/demo.ts'
import { AppError } from '../contract/index.ts'
import type { ApiOptions } from './context.ts'
import { pageOf } from './input.ts'
import type { Handlers } from './serve.ts'

/** Game days of the demo fleet; they exist only while it runs. */
export const demoHandlers = ({ demo }: ApiOptions): Handlers<typeof demoRoutes> => {
  const running = () => {
    if (demo === null) throw new AppError('ERR_NOT_FOUND', 'The demo fleet does not run here', {})
    return demo
  }
  return {
    // With tokens for spare hosts, so not for viewers.
    getDemo: () => running().info(),
    listScenarios: ({ query }) => pageOf('scenarios', running().scenarios(), ({ name }) => name, query),
    async startScenario({ params, body }) {
      const fleet = running()
      const { node } = await body()
      return fleet.startScenario(params.name, node)
    },
    async endScenario({ params }) {
      await running().endScenario(params.name)
    },
  }
}
