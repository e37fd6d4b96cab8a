# What `make install` and `make deb` put beside the program.
install(FILES ${CMAKE_SOURCE_DIR}/deploy/systemd/outrigger@.service
        DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/docs/compatibility.md
        DESTINATION share/doc/outrigger)

set(CPACK_PACKAGE_NAME outrigger)
set(CPACK_PACKAGE_CONTACT "The Outrigger maintainers <maintainers@outrigger.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Distributed application runtime, compatible with Dapr")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded only where a component needs it (src/components/clients/postgres/libpq.h).
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS libpq5)
include(CPack)
