# cmake -DNM=... -DOBJECT=... -DSYMBOL=... -P level_symbols.cmake: fails unless SYMBOL is the one
# global symbol that OBJECT defines.
execute_process(COMMAND ${NM} --defined-only --extern-only -P ${OBJECT} OUTPUT_VARIABLE listing
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${listing}")
set(names)
foreach(line IN LISTS lines)
  string(REGEX REPLACE " .*" "" name "${line}")
  list(APPEND names ${name})
endforeach()
if(NOT "${names}" STREQUAL "${SYMBOL}")
  message(FATAL_ERROR "${OBJECT} must define ${SYMBOL} alone, but defines: ${names}")
endif()
