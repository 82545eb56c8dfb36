-- What was judged, and documents as they were answered, are written down: what is not stored today cannot be looked up tomorrow.

-- CreateTable
CREATE TABLE "state_changes" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "scope" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "intent" TEXT NOT NULL,
    "problems" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "health_documents" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "node" TEXT NOT NULL,
    "at" BIGINT NOT NULL,
    "data" TEXT NOT NULL
);

-- CreateIndex
CREATE INDEX "state_changes_scope_at_idx" ON "state_changes"("scope", "at");

-- CreateIndex
CREATE INDEX "state_changes_at_idx" ON "state_changes"("at");

-- CreateIndex
CREATE INDEX "health_documents_node_at_idx" ON "health_documents"("node", "at");

-- CreateIndex
CREATE INDEX "health_documents_at_idx" ON "health_documents"("at");
