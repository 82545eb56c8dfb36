import type { maintenanceRoutes } from '../contract/api/maintenance.ts'
import type { ApiOptions } from './context.ts'
import { given } from './input.ts'
import type { Handlers } from './serve.ts'

/** Maintenance windows. */
export const maintenanceHandlers = ({
  collector: { maintenance },
}: ApiOptions): Handlers<typeof maintenanceRoutes> => ({
  listMaintenance: ({ query }) => maintenance.list(given(query)),
  createMaintenance: async ({ body, caller }) => maintenance.create(await body(), caller),
  endMaintenance: ({ params, caller }) => maintenance.end(params.id, caller),
})
