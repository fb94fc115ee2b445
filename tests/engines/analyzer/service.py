"""Google's analyzer behind pipes: one question a line on standard input, one answer a line on standard output.

Runs in the analyzer's own Python, so it imports nothing of this project but its neighbour that reads values.
"""

import ctypes
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zetasql import types  # type: ignore[import-not-found]  # of the analyzer's Python
from zetasql.core import ServerError, ZetaSqlLocalService, wasm_client  # type: ignore[import-not-found]  # of the analyzer's Python
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2  # type: ignore[import-not-found]  # of the analyzer's Python

sys.path.insert(0, str(Path(__file__).parent))

import values  # type: ignore[import-not-found]  # beside this file, and not a package there

KINDS = ("QUERY", "INSERT", "UPDATE", "DELETE", "MERGE")


def keep_compiled() -> None:
    """Compiling the analyzer takes 15 s; what is compiled is kept beside the interpreter."""
    plain = wasm_client.Config

    def cached() -> Any:
        config = plain()
        place = Path(sys.prefix) / "compiled"
        place.mkdir(exist_ok=True)
        facts, draft = place / "cache.toml", place / f"cache.{os.getpid()}"
        draft.write_text(f'[cache]\ndirectory = "{place}"\n')
        draft.replace(facts)  # at once, for another process may be reading it
        config.cache = str(facts)
        return config

    wasm_client.Config = cached


def copy_at_once(client: Any) -> None:
    """The package moves its messages into the analyzer's memory byte by byte."""
    start = ctypes.addressof(client.memory.data_ptr().contents)
    client.write_bytes = lambda place, data: ctypes.memmove(start + place, data, len(data))
    client.read_bytes = lambda place, size: ctypes.string_at(start + place, size)


class Analyzer:
    def __init__(self) -> None:
        self.service = ZetaSqlLocalService.get_instance()
        copy_at_once(self.service.wasm_client)
        self.language = types.LanguageOptions.maximum_features()
        self.language.product_mode = types.ProductMode.PRODUCT_EXTERNAL
        self.language.supported_statement_kinds = [getattr(types.ResolvedNodeKind, f"RESOLVED_{kind}_STMT") for kind in KINDS]
        self.catalogues: dict[str, int] = {}
        self.kinds: dict[str, Any] = {}

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if question["ask"] == "evaluate":
                return self._evaluated(question["sql"])
            return self._analysed(question["sql"], question["relations"], question["parameters"])
        except ServerError as wrong:
            return {"error": wrong.code.name, "message": wrong.message}

    def _options(self, parameters: Mapping[str, str]) -> Any:
        named = [types.AnalyzerOptions.QueryParameter(name=name, type=self._type(kind)) for name, kind in parameters.items()]
        return types.AnalyzerOptions(language_options=self.language, default_timezone="UTC", query_parameters=named)

    def _type(self, kind: str) -> Any:
        if kind not in self.kinds:
            number, [column] = self._prepared(f"SELECT CAST(NULL AS {kind}) AS x", {}, {})
            self.service.unprepare_query(prepared_query_id=number)
            self.kinds[kind] = column.type
        return self.kinds[kind]

    def _prepared(self, sql: str, relations: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[int, list[Any]]:
        prepared = self.service.prepare_query(
            sql=sql, options=self._options(parameters), registered_catalog_id=self._catalogue(relations)
        ).prepared
        return prepared.prepared_query_id, prepared.columns

    def _catalogue(self, relations: Mapping[str, str]) -> int:
        """Relations are named queries, each over those before it; their columns are what the query gives."""
        key = json.dumps(relations)
        if key not in self.catalogues:
            tables: list[Any] = []
            before: dict[str, str] = {}
            for name, query in relations.items():
                number, columns = self._prepared(query, before, {})
                self.service.unprepare_query(prepared_query_id=number)
                tables.append(types.SimpleTable(name=name, column=columns))
                before[name] = query
            built_in = types.ZetaSQLBuiltinFunctionOptions(language_options=self.language)
            catalogue = types.SimpleCatalog(name="dataset", builtin_function_options=built_in, table=tables)
            self.catalogues[key] = self.service.register_catalog(simple_catalog=catalogue).registered_id
        return self.catalogues[key]

    def _evaluated(self, sql: str) -> dict[str, Any]:
        number, columns = self._prepared(sql, {}, {})
        try:
            # the package's own model of an answer forgets moments
            found = self.service.wasm_client.call_grpc_func(
                "ZetaSqlLocalService_EvaluateQuery",
                local_service_pb2.EvaluateQueryRequest(prepared_query_id=number),
                local_service_pb2.EvaluateQueryResponse,
            )
            kinds = [column.type.to_proto() for column in columns]
            return {
                "types": [values.type_name(kind) for kind in kinds],
                "rows": [
                    [values.plain(cell, kind) for cell, kind in zip(row.cell, kinds, strict=True)] for row in found.content.table_data.row
                ],
            }
        finally:
            self.service.unprepare_query(prepared_query_id=number)

    def _analysed(self, sql: str, relations: Mapping[str, str], parameters: Mapping[str, str]) -> dict[str, Any]:
        # the package's own model of an analysed statement takes longer to build than the analysis
        request = types.AnalyzeRequest(
            sql_statement=sql, options=self._options(parameters), registered_catalog_id=self._catalogue(relations)
        )
        self.service.wasm_client.call_grpc_func("ZetaSqlLocalService_Analyze", request.to_proto(), local_service_pb2.AnalyzeResponse)
        return {}


def main() -> None:
    keep_compiled()
    analyzer = Analyzer()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(analyzer.answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
