module.exports = { compatibilityDate: "2026-11-01", srcDir: ".", telemetry: false };
