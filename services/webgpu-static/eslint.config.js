import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["node_modules/", "site/"] },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-globals": ["error", "eval"],
      "no-restricted-properties": ["error", { property: "innerHTML" }, { property: "outerHTML" }],
    },
  },
  { files: ["page/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["build/*.js", "test/*.js"], languageOptions: { globals: globals.node } },
];
